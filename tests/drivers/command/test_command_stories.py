"""A restart by shell lines, of releases that die, that are refused, and that take the shop down."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from rollout.agents.common.proc import find
from tests.support.command import rollout
from tests.support.until import wait

if TYPE_CHECKING:
    from conftest import KeptShop


def test_a_release_that_dies_after_two_seconds_is_rolled_back(kept: KeptShop) -> None:
    """It was another process, its page was right, and the script has started it anew since."""
    kept.run()
    command = {"restart": kept.restart, "proof": kept.proof}
    inventory = kept.inventory(command, strategy={"on_failure": "rollback"})
    assert kept.deploy("1", inventory).returncode == 0
    done = kept.deploy("dies", inventory)
    assert done.returncode == 1
    assert "what the restart had started has ended" in done.stdout
    assert "shop 1 done on 1 of 1 node" in done.stdout
    with kept.load() as load:
        load.until(lambda answer: answer.body == "1", "release 1")


def test_a_refused_release_is_not_loaded_by_a_recycled_process(kept: KeptShop) -> None:
    """The check tries the release that is on the disk: nothing is restarted, and the release before is there
    again when a process comes in place of another."""
    kept.run()
    inventory = kept.inventory({"restart": kept.restart, "check": kept.check, "proof": kept.proof})
    assert kept.deploy("1", inventory).returncode == 0
    before = kept.pid
    done = kept.deploy("broken", inventory)
    assert done.returncode == 1
    assert "so nothing was restarted: no such table: orders; release 1 is on the disk again" in done.stdout
    assert "left out" not in done.stdout
    assert kept.pid == before
    os.kill(before, signal.SIGTERM)
    with kept.load() as load:
        wait(lambda: kept.pid != before, "another process")
        load.until(lambda answer: answer.body == "1", "release 1")


def test_a_shop_that_a_release_took_down_is_started_by_the_rollback(kept: KeptShop) -> None:
    """The rollback refuses nothing, though the check fails where nothing runs: the release goes back, and
    then the shop is started."""
    kept.run()
    check = f"{kept.proof} >/dev/null || {{ echo the shop is down; exit 1; }}"
    command = {"restart": kept.restart, "check": check, "proof": kept.proof, "explain": kept.explain}
    inventory = kept.inventory(command, start=kept.start)
    assert kept.deploy("1", inventory).returncode == 0
    failed = kept.deploy("broken", inventory)
    assert failed.returncode == 1
    assert "| no such table: orders" in failed.stdout
    wait(lambda: find(kept.pid) is None, "the end of the shop")
    back = rollout("rollback", inventory=inventory)
    assert back.returncode == 0, back.stdout + back.stderr
    assert "shop does not run there (the shop is down): it is started by `setsid" in back.stdout
    with kept.load() as load:
        load.until(lambda answer: answer.body == "1", "release 1")
