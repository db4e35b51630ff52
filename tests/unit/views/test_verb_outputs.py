"""The output of check, history, lock and restore, line by line and as JSON."""

from __future__ import annotations

import dataclasses
import json

from rollout.decisions.finding import Finding, Level
from rollout.decisions.fold import fold
from rollout.decisions.summary import read_summary, summary_document, summary_of
from rollout.domain import LockHolder, LockState, Outcome
from rollout.events import DeploymentFinished, DeploymentResumed, Record
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
    deployments = [summary_of(failed), summary_of(killed)]
    assert list(history.text(deployments)) == [
        "   17  2023-11-15 12:00  1.4.2  failed      1 of 3  1 min 15 s  anna@laptop"
        " · left out: web2 · web2 at restart: exit status 1",
        "   17  2023-11-15 12:00  1.4.2  unfinished  0 of 3  –           anna@laptop",
    ]
    documents = history.document(deployments)
    assert [document["outcome"] for document in documents] == ["failed", "unfinished"]
    assert documents[0]["ended"] == "2023-11-15T12:01:15.000Z"
    assert documents[0]["first_failure"] == "web2 at restart: exit status 1"
    assert documents[0]["node_states"] == {
        "web1": "done",
        "web2": "failed",
        "web3": "waiting",
        "web4": "skipped",
    }


def test_history_of_one_node_says_what_became_of_it(records: list[Record]) -> None:
    """In each deployment of it, in a word."""
    (line,) = history.text([summary_of(fold(records))], "web2")
    assert "  web2 failed  1 of 3" in line


def test_a_resumed_deployment_keeps_its_first_failure_and_all_of_its_time(records: list[Record]) -> None:
    """A second try that ends well does not make the first one disappear."""
    again = DeploymentResumed(("web2", "web3"), (), "bob", "desk", 43)
    end = records[-1]
    more = [
        dataclasses.replace(end, sequence=end.sequence + 1, time=end.time + 600, event=again),
        dataclasses.replace(
            end,
            sequence=end.sequence + 2,
            time=end.time + 625,
            event=DeploymentFinished(Outcome.DONE, 25.0),
        ),
    ]
    summary = summary_of(fold([*records, *more]))
    assert read_summary(17, json.loads(json.dumps(summary_document(fold([*records, *more]))))) == summary
    (line,) = history.text([summary])
    assert "  done  1 of 3  1 min 40 s  bob@desk" in line
    assert line.endswith(" · 2 tries · left out: web2 · at first: web2 at restart: exit status 1")


def test_an_empty_history_says_what_to_do() -> None:
    """Of a service that was never deployed, and where the options left nothing over."""
    assert list(history.nothing("shop", "prod.yml", asked_for="")) == [
        "shop has not been deployed yet",
        "see what a deployment would do: rollout plan -i prod.yml --release RELEASE",
        "deploy:                         rollout deploy -i prod.yml --release RELEASE",
    ]
    assert list(history.nothing("shop", "prod.yml", asked_for="of web9")) == [
        "no deployment of shop of web9; all of them: rollout history -i prod.yml"
    ]


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
