"""What the proof of `restart: command` makes of what its line prints, as a real shell runs it."""

from __future__ import annotations

import subprocess

import pytest

from rollout.agents.common.talk import NotRunning, NotThere
from rollout.inventory.restart import Restart
from rollout.restart import plan_restart
from rollout.restart.command import compare, compare_life
from rollout.restart.driver import ProofStatus, RestartPlan

DONE, WAIT, FAILED = ProofStatus.DONE, ProofStatus.WAIT, ProofStatus.FAILED


def planned(**lines: str) -> RestartPlan:
    return plan_restart(Restart(command={"restart": "go", **lines}), str)


def run(line: str | None) -> subprocess.CompletedProcess[str]:
    assert line is not None
    return subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def seen(proof: str) -> str:
    """What the line of the plan prints, whatever the inventory's line does."""
    made = planned(proof=proof).proof
    assert made is not None
    done = run(made.observe)
    assert done.returncode == 0
    return done.stdout


@pytest.mark.parametrize(
    ("before", "after", "status", "told"),
    [
        ("echo 12", "echo 13", DONE, "13 in place of 12"),
        ("printf '12\\n13\\n'", "printf '14\\n15\\n'", DONE, "14, 15 in place of 12, 13"),
        ("printf '12\\n13\\n'", "printf '13\\n14\\n'", WAIT, "13, as before the restart"),
        ("echo 12", "echo 12", WAIT, "12, as before the restart"),
        ("echo 12", "true", WAIT, "nothing runs"),
        ("echo 12", "echo 13; false", WAIT, "nothing runs"),
        ("echo 12", "echo 13; exit 1 # too early", WAIT, "nothing runs"),
        ("echo 12", "echo 13 >&2", WAIT, "nothing runs"),
        ("false", "echo 13; echo at your own risk >&2", DONE, "13"),
        ("seq 5", "seq 11 15", DONE, "11, 12, 13 and 2 more in place of 1, 2, 3 and 2 more"),
    ],
)
def test_all_that_ran_is_replaced(before: str, after: str, status: ProofStatus, told: str) -> None:
    """Another output is a restart, if nothing of it is what ran before; none at all is no restart."""
    result = compare(seen(before), seen(after))
    assert result.status is status
    assert result.detail.startswith(told)


def test_what_is_untouched_is_kept() -> None:
    """After a line that failed, the same output says that nothing was restarted; a part of it does not."""
    assert compare(seen("seq 3"), seen("seq 3")).kept
    assert not compare(seen("seq 3"), seen("seq 2")).kept
    assert not compare(seen("true"), seen("true")).kept


@pytest.mark.parametrize(
    ("now", "status", "anew"),
    [
        ("seq 3", DONE, False),
        ("seq 5", DONE, False),
        ("seq 2 4", WAIT, True),
        ("seq 4 6", FAILED, False),
        ("false", FAILED, False),
    ],
)
def test_what_was_started_must_live(now: str, status: ProofStatus, *, anew: bool) -> None:
    """More may come; where one worker after another gives way, those that come must live in turn; but where
    all of them are others, the first ones have died."""
    result = compare_life(seen("seq 3"), seen(now))
    assert (result.status, result.anew) == (status, anew)


@pytest.mark.parametrize(
    ("lines", "status", "told"),
    [
        ({"proof": "echo 12"}, 0, ""),
        ({"proof": "false"}, NotRunning.exit_status, "nothing runs that restart.command.proof would show"),
        ({"check": "echo all is well", "proof": "true"}, NotRunning.exit_status, "nothing runs"),
        ({"check": "echo all is well"}, 0, ""),
        ({"check": "echo no; exit 4"}, 4, "no\n"),
        ({"check": "exit 4"}, 4, "restart.command.check exited with 4\n"),
        ({"check": "echo down; exit 69"}, NotRunning.exit_status, "down\n"),
        ({"check": "echo down; exit 1", "proof": "false"}, NotRunning.exit_status, "down\n"),
        ({"check": "echo down; exit 1", "proof": "echo 12"}, 1, "down\n"),
        ({"check": "echo gone; exit 72", "proof": "false"}, NotThere.exit_status, "gone\n"),
    ],
)
def test_the_check_beforehand(lines: dict[str, str], status: int, told: str) -> None:
    """It is the inventory's; where the proof shows nothing that runs, the application does not run."""
    done = run(planned(**lines).precheck)
    assert done.returncode == status
    assert done.stdout.startswith(told)
    assert bool(done.stdout) == bool(told)


def test_a_line_with_nothing_beside_it_proves_nothing() -> None:
    """Its exit status is all there is, as with the line alone."""
    made = planned()
    assert (made.command, made.precheck, made.proof, made.start) == ("go", None, None, None)
