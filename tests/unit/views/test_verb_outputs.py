"""The output of check, history, lock and restore, line by line and as JSON."""

from __future__ import annotations

from rollout.decisions.finding import Finding, Level
from rollout.decisions.fold import fold
from rollout.domain import LockHolder, LockState
from rollout.events import Record
from rollout.views import check, history, lock, restore

HOLDER = LockHolder(token="t", user="anna", host="laptop", pid=42, since=1000.0, purpose="deploy 2")
HELD = LockState(holder=HOLDER, silent=2.0)


def test_check_groups_findings_by_subject() -> None:
    """Hints follow what they are about, and the last line says whether a deploy can begin."""
    findings = [
        Finding(Level.OK, "lb1", "answers", hint="never shown"),
        Finding(Level.PROBLEM, "web1", "cannot be reached", hint="ssh web1"),
        Finding(Level.NOTE, "lb1", "forgets drains"),
    ]
    assert list(check.text(findings)) == [
        "✓ lb1   answers",
        "· lb1   forgets drains",
        "✗ web1  cannot be reached",
        "        → ssh web1",
        "a deploy would be refused: 1 problem, 0 warnings",
    ]
    assert list(check.text([]))[-1] == "a deploy can begin: 0 problems, 0 warnings"
    assert check.document(findings)[1] == {
        "level": "problem",
        "subject": "web1",
        "text": "cannot be reached",
        "hint": "ssh web1",
    }


def test_history_has_a_line_for_each_deployment(records: list[Record]) -> None:
    """With what it left out; one that was killed is unfinished."""
    failed, killed = fold(records), fold(records[:2])
    lines = list(history.text("shop", [failed, killed]))
    assert [line.split()[0] for line in lines] == ["17", "17"]
    assert lines[0].endswith("failed          1 of 3  1 min 15 s  anna@laptop · left out: web2")
    assert "unfinished" in lines[1]
    assert [line["outcome"] for line in history.document([failed, killed])] == ["failed", "unfinished"]
    assert list(history.text("shop", [])) == ["shop has not been deployed yet"]


def test_lock_names_its_holder() -> None:
    """Who has it, since when, and whether a crash left it behind."""
    assert lock.line("shop", HELD, "/tmp/lock on lb1", 1060.0, left_by_crash=False) == (
        f"shop: {HOLDER}, for 1 min, last sign of life 2.0 s ago (/tmp/lock on lb1)"
    )
    assert "; left behind by a crash (" in lock.line("shop", HELD, "/tmp/lock", 1060.0, left_by_crash=True)
    assert lock.line("shop", None, "/tmp/lock", 0.0, left_by_crash=False) == (
        "shop: nobody holds the lock (/tmp/lock)"
    )


def test_lock_for_programs() -> None:
    """The same keys, whoever has it; two of them if nobody has."""
    assert lock.document(HELD, "/tmp/lock", left_by_crash=False) == {
        "held": True,
        "where": "/tmp/lock",
        "user": "anna",
        "host": "laptop",
        "pid": 42,
        "since": 1000.0,
        "purpose": "deploy 2",
        "silent": 2.0,
        "left_by_a_crash": False,
    }
    assert lock.document(None, "/tmp/lock", left_by_crash=False) == {"held": False, "where": "/tmp/lock"}


def test_restore_counts_what_is_back() -> None:
    """And names what is not, with the reason."""
    assert list(restore.text(["web1", "web2"], {"web2": "no answer"})) == [
        "1 node back in rotation",
        "web2 stays out: no answer",
    ]
    assert list(restore.text([], {})) == ["no node was left out"]
