"""The testbed: built and started once for all its tests, and taken down whatever happens."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from example_site import ExampleSite
from testbed import FRONTENDS, Testbed, docker_host, taken, why_not
from users import Users

from tests.support.needs import missing
from tests.support.until import wait


@pytest.fixture(scope="package")
def running_testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """A machine that cannot run it skips its tests; CI must be able to. Only one can run: others wait."""
    if reason := why_not():
        missing(f"the testbed: {reason}")
    with docker_host() as host:
        testbed = Testbed(host, tmp_path_factory.mktemp("home"))
        try:
            testbed.down()  # what was left of one whose tests were killed
            if reason := taken():
                missing(f"the testbed: {reason}")
            testbed.up()
            yield testbed
        finally:
            testbed.down()


@pytest.fixture
def testbed(running_testbed: Testbed, own_state: Path) -> Testbed:
    """The testbed with all its nodes in rotation, whatever the last test did to them."""
    if not running_testbed.serves():
        out = [name for name, (state, _) in running_testbed.nodes().items() if state != "ready"]
        for name in out:
            running_testbed.on(name, "systemctl restart shop")
        if out:
            running_testbed.rollout("ready", *out)
        wait(running_testbed.serves, "all nodes to be up")
    return running_testbed


@pytest.fixture
def users() -> Iterator[Users]:
    """Traffic through both load balancers while the test runs."""
    with Users(FRONTENDS) as traffic:
        yield traffic


@pytest.fixture
def begun(testbed: Testbed) -> Iterator[list[subprocess.Popen[str]]]:
    """Deployments that a test begins in the background; they end with it."""
    deployments: list[subprocess.Popen[str]] = []
    yield deployments
    for deployment in deployments:
        deployment.kill()
        deployment.communicate()


@pytest.fixture
def site(running_testbed: Testbed, tmp_path: Path) -> Iterator[ExampleSite]:
    """Machines for an example's inventory, beside those of the testbed."""
    try:
        yield ExampleSite(running_testbed, tmp_path)
    finally:
        running_testbed.remove_extra()
