"""`restart: command` with lines that look: they have the rights of a driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.agents.common.proc import find
from tests.support.command import rollout

if TYPE_CHECKING:
    from conftest import KeptShop


def test_the_proof_is_what_runs_before_and_after(kept: KeptShop) -> None:
    """The line only sends a signal; the restart is done when another process runs, and that has lasted."""
    before = kept.run()
    inventory = kept.inventory({"restart": kept.restart, "proof": kept.proof})
    with kept.load() as load:
        done = kept.deploy("2", inventory)
        assert done.returncode == 0, done.stdout + done.stderr
        load.until(lambda answer: answer.body == "2", "release 2")
    assert f"{kept.pid} in place of {before}" in done.stdout


def test_a_restart_that_nobody_saw_is_none(kept: KeptShop) -> None:
    """The line ends well and has done nothing: the proof prints what it printed before."""
    before = kept.run()
    done = kept.deploy("2", kept.inventory({"restart": "true", "proof": kept.proof}, timeout="1s"))
    assert done.returncode == 1
    assert f"not restarted within 1 s: {before}, as before the restart" in done.stdout


def test_a_line_that_fails_and_leaves_all_as_it_was_has_refused_the_release(kept: KeptShop) -> None:
    """The same process runs three seconds later: the release before is on the disk again, and the node is
    not left out."""
    before = kept.run()
    inventory = kept.inventory({"restart": kept.restart, "proof": kept.proof})
    assert kept.deploy("1", inventory).returncode == 0
    fails = {"restart": "echo not today; exit 3", "proof": kept.proof, "explain": "echo it is Monday"}
    done = kept.deploy("2", kept.inventory(fails))
    assert done.returncode == 1
    assert "`echo not today; exit 3` exited with 3; release 1 is on the disk again" in done.stdout
    assert "| it is Monday" in done.stdout
    assert "left out" not in done.stdout
    assert kept.pid != before
    assert find(kept.pid) is not None


def test_lines_that_cannot_be_right_are_refused_beforehand(kept: KeptShop) -> None:
    """The application answers, and the proof shows nothing that runs; or the check fails, and says why."""
    kept.run()
    for lines, told in (
        ({"proof": "pgrep -x no-such-shop"}, "nothing runs that restart.command.proof would show, but "),
        ({"check": "echo no licence; exit 1", "proof": kept.proof}, "cannot be carried out: no licence"),
        ({"check": "exit 1"}, "restart.command.check exited with 1"),
    ):
        inventory = kept.inventory({"restart": kept.restart, **lines})
        done = kept.deploy("2", inventory)
        assert done.returncode == 3, done.stdout
        assert told in done.stderr
        checked = rollout("check", inventory=inventory)
        assert (checked.returncode, told in checked.stdout) == (3, True)
    assert (kept.folder / "release").read_text() == "1"
