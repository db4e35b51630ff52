"""Which HAProxy versions this run tests with.

`--haproxy` chooses: a version of `VERSIONS`, several with commas, or `all`. Without that option the
environment variable ROLLOUT_HAPROXY chooses. Without both, CI (`CI` is set) uses all versions, everybody else
the first.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.haproxy_versions import VERSIONS, Unavailable
from tests.support.needs import missing


def pytest_addoption(parser: pytest.Parser) -> None:
    default = os.environ.get("ROLLOUT_HAPROXY") or ("all" if os.environ.get("CI") else "system")
    parser.addoption(
        "--haproxy",
        default=default,
        metavar="VERSIONS",
        help=f"HAProxy versions to test with: {', '.join(VERSIONS)} or all (default: {default})",
    )


def pytest_configure(config: pytest.Config) -> None:
    for version in chosen(config):
        if version not in VERSIONS:
            raise pytest.UsageError(f"--haproxy: no version {version}; choose from {', '.join(VERSIONS)}")


def chosen(config: pytest.Config) -> list[str]:
    """The versions of this run, the first of which all tests use."""
    given: str = config.getoption("--haproxy")
    return list(VERSIONS) if given == "all" else given.split(",")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that is marked `every_haproxy` runs once for each version of this run, others with the first.

    Whole deployments take seconds: those that are marked run with the last version alone.
    """
    if "haproxy_binary" not in metafunc.fixturenames:
        return
    versions = chosen(metafunc.config)
    if not metafunc.definition.get_closest_marker("every_haproxy"):
        versions = versions[:1]
    elif "engine" in metafunc.definition.path.parts:
        versions = versions[-1:]
    metafunc.parametrize("haproxy_binary", versions, indirect=True, scope="session")


@pytest.fixture(scope="session")
def haproxy_binary(request: pytest.FixtureRequest) -> Path:
    """The program of an HAProxy version; the test is skipped where it cannot be had, and fails in CI."""
    return find(request.param)


def find(version: str) -> Path:
    """The program of a version of `VERSIONS`, for a test, which is skipped where it cannot be had."""
    try:
        return VERSIONS[version]()
    except Unavailable as reason:
        missing(f"HAProxy {version}: {reason}")
