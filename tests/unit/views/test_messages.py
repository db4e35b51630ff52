"""What others are told of a deployment."""

from __future__ import annotations

from rollout.decisions.fold import fold
from rollout.events import DeploymentFinished, DeploymentStarted, NodeFailed, Record
from rollout.views.messages import document, slack


def test_a_failed_deployment(records: list[Record]) -> None:
    """The document has how it ended and what it left behind."""
    assert document("finished", fold(records)) == {
        "event": "finished",
        "service": "shop",
        "release": "1.4.2",
        "previous": None,
        "deployment": 17,
        "rollback_of": None,
        "nodes": 3,
        "outcome": "failed",
        "reason": "web2 failed",
        "seconds": 75.0,
        "done": 1,
        "failed": 1,
        "left_out": ["web2"],
        "user": "anna",
        "host": "laptop",
    }


def test_slack_reads_words(records: list[Record]) -> None:
    """One line when it begins, two when it ends."""
    begun, ended = fold(records[:4]), fold(records)
    assert slack("started", begun)["text"] == (
        "shop 1.4.2 → 3 nodes behind lb1, lb2 · one at a time, canary web1 (deployment 17) · anna@laptop"
    )
    assert slack("finished", ended)["text"] == (
        "shop 1.4.2 failed after 1 min 15 s: web2 failed\n"
        "deployment 17 · 1 of 3 nodes done · anna@laptop · left out: web2"
    )


def test_one_that_goes_on_says_so(records: list[Record]) -> None:
    """What is left is told in place of what it began with."""
    interrupted = [
        record for record in records if not isinstance(record.event, DeploymentFinished | NodeFailed)
    ]
    assert slack("started", fold(interrupted))["text"].startswith(
        "shop 1.4.2 continues → 2 of 3 nodes left (deployment 17)"
    )


def test_slack_takes_nothing_for_a_link(records: list[Record]) -> None:
    """`<!channel>` in a release or a reason wakes nobody, and an escape is not escaped again."""
    first = records[0].event
    assert isinstance(first, DeploymentStarted)
    evil = DeploymentStarted(**{**vars(first), "release": "<!channel> &lt;"})
    text = slack("started", fold([Record(17, 1, 0.0, evil)]))["text"]
    assert text.startswith("shop &lt;!channel&gt; &amp;lt; → 3 nodes")
