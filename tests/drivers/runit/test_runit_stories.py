"""A restart under runit, of a release that dies, and of one that takes the service down.

runit can try no release before it ends the old process, so none is refused.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.command import rollout, write_inventory
from tests.support.load import Load

if TYPE_CHECKING:
    from conftest import Runit

PORT = 8000
Start = Callable[[], None]


def inventory(runit: Runit, on_failure: str) -> Path:
    sections = {
        "release": {"command": f'printf %s "$ROLLOUT_RELEASE" > {runit.folder}/release'},
        "restart": {"runit": "shop", "timeout": "60s"},
        "health": {"http": f"http://{runit.address}:{PORT}/", "interval": "50ms", "timeout": "10s"},
        "strategy": {"on_failure": on_failure},
    }
    return write_inventory(runit.folder / "shop.yml", sections)


def deploy(release: str, path: Path) -> subprocess.CompletedProcess[str]:
    return rollout("deploy", "--release", release, inventory=path)


def test_a_release_that_dies_after_two_seconds_is_rolled_back(runit: Runit, start: Start) -> None:
    """It answers whenever it runs, and runit starts it again and again."""
    runit.add_shop("shop", PORT)
    start()
    path = inventory(runit, "rollback")
    assert deploy("1", path).returncode == 0
    done = deploy("dies", path)
    assert done.returncode == 1
    assert "BROKEN: shop was restarted, but ends as soon as it has started" in done.stdout
    assert "shop 1 done on 1 of 1 node" in done.stdout
    with Load(runit.address, PORT) as load:
        load.until(lambda answer: answer.body == "1", "release 1")


def test_a_service_that_a_release_took_down_is_started_by_the_rollback(runit: Runit, start: Start) -> None:
    """Somebody has even stopped it since, so that it is left alone: the rollback refuses nothing."""
    runit.add_shop("shop", PORT)
    start()
    path = inventory(runit, "halt")
    assert deploy("1", path).returncode == 0
    assert deploy("broken", path).returncode == 1
    runit.sv("-w", "10", "-v", "down", "shop")
    back = rollout("rollback", inventory=path)
    assert back.returncode == 0, back.stdout + back.stderr
    with Load(runit.address, PORT) as load:
        load.until(lambda answer: answer.body == "1", "release 1")
