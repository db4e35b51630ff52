"""The lab in containers: built and started once for all its tests, and taken down whatever happens."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import testbed
from example_site import ExampleSite
from testbed import FRONTENDS, Testbed
from users import Users

from tests.support.until import wait


@pytest.fixture(scope="package")
def running_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """A machine that cannot run it skips its tests; CI must be able to. Only one can run: others wait."""
    cannot = pytest.fail if os.environ.get("CI") else pytest.skip
    if reason := testbed.why_not():
        cannot(f"the lab in containers: {reason}")
    with testbed.docker_host() as host:
        lab = Testbed(host, tmp_path_factory.mktemp("home"))
        try:
            lab.down()  # what was left of one whose tests were killed
            if reason := testbed.taken():
                cannot(f"the lab in containers: {reason}")
            lab.up()
            yield lab
        finally:
            lab.down()


@pytest.fixture
def lab(running_lab: Testbed, own_state: Path) -> Testbed:
    """The lab with all its nodes in rotation, whatever the last test did to them."""
    if not running_lab.serves():
        out = [name for name, (state, _) in running_lab.nodes().items() if state != "ready"]
        for name in out:
            running_lab.on(name, "systemctl restart shop")
        if out:
            running_lab.rollout("ready", *out)
        wait(running_lab.serves, "all nodes to be up")
    return running_lab


@pytest.fixture
def users() -> Iterator[Users]:
    """Traffic through both load balancers while the test runs."""
    with Users(FRONTENDS) as traffic:
        yield traffic


@pytest.fixture
def begun(lab: Testbed) -> Iterator[list[subprocess.Popen[str]]]:
    """Deployments that a test begins in the background; they end with it."""
    deployments: list[subprocess.Popen[str]] = []
    yield deployments
    for deployment in deployments:
        deployment.kill()
        deployment.communicate()


@pytest.fixture
def site(running_lab: Testbed, tmp_path: Path) -> Iterator[ExampleSite]:
    """Machines for an example's inventory, beside those of the lab."""
    try:
        yield ExampleSite(running_lab, tmp_path)
    finally:
        running_lab.remove_extra()
