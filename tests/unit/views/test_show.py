"""A deployment told afterwards: in full, and one node of it in words."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import pytest

from rollout.decisions.fold import fold
from rollout.decisions.story import Story
from rollout.decisions.summary import summary_of
from rollout.decisions.telling import tell
from rollout.domain import Outcome, Step, Verdict
from rollout.events import (
    CommandSent,
    DeploymentFinished,
    DeploymentResumed,
    Event,
    HookPrinted,
    Judged,
    OutputSeen,
    Probed,
    Progressed,
    Record,
    Served,
    StepFinished,
    StepStarted,
    UsersSaw,
    Waited,
)
from rollout.views import show, why
from rollout.views.show_document import document, why_document

SHOWN = """\
deployment 17 of shop: 1.4.2, failed after 1 min 15 s: web2 failed

  when   2023-11-15 12:00:00 UTC to 2023-11-15 12:01:15 UTC
  who    anna on laptop (process 42)
  from   my prod.yml
  plan   3 nodes behind lb1, lb2 · one at a time, canary web1
         in this order: web1 web2 web3
         skipped: web4
         after a failure: halt; after a bad verdict: halt

web1  done in 8.0 s · 1.4.1 → 1.4.2
  12:00:01  drain    6.5 s · no session left
                     lb1> set server shop/web1 state drain
                     waited 6.4 s: lb1 drains
  12:00:07  restart  1.5 s
                     $ sudo systemctl restart shop
                     $ sleep 1

web2  FAILED at restart · left out: it takes no traffic now
  12:00:09  restart  FAILED after 1.2 s: exit status 1
                     | starting shop
                     | ImportError: no module named shop
                     hint: ssh web2 journalctl -u shop
  12:00:10  warning: it is warm

web3  untouched

web4  skipped

besides:
  12:00:00  warning: backend shop has no option redispatch
  12:00:10  halted, no further node starts: web2 failed

nothing was run since; what to run next:
  rollout resume -i 'my prod.yml'  # continue where it stopped
  rollout restore -i 'my prod.yml'  # put web2 back as it was, if it is healthy
  rollout rollback -i 'my prod.yml'  # put the old release back on web2 web1
"""


def story_of(records: Sequence[Record]) -> Story:
    kinds = (OutputSeen, HookPrinted, Progressed)
    return tell(
        [record for record in records if not isinstance(record.event, kinds)],
        [record for record in records if isinstance(record.event, kinds)],
    )


def followed(records: Sequence[Record], *more: tuple[float, Event]) -> list[Record]:
    """The records, and more events, so many seconds after the last of them."""
    last = records[-1]
    return [
        *records,
        *(
            Record(17, last.sequence + number, last.time + at, event)
            for number, (at, event) in enumerate(more, 1)
        ),
    ]


def test_a_deployment_in_full(records: list[Record]) -> None:
    """Who, where from, what, the plan; the steps of each node; why it failed, and what to run."""
    assert "\n".join(show.text(story_of(records), [])) + "\n" == SHOWN


def test_any_beginning_of_a_journal_can_be_told(records: list[Record]) -> None:
    """However early it was cut off, as text, as words about each node, and as JSON."""
    for end in range(1, len(records) + 1):
        story = story_of(records[:end])
        assert [*show.text(story, [], running=True)]
        assert json.dumps(document(story, [], running=False))
        assert all([*why.text(story, name, None, "prod.yml")] for name in story.nodes)
    assert "killed after 10 s: nobody recorded its end" in next(show.text(story_of(records[:-1]), []))


def test_a_long_output_is_folded(records: list[Record]) -> None:
    """To its last line, with the command that shows all of it; that has each line."""
    lines = [(1.0, OutputSeen("web3", Step.RESTART, f"line {number}")) for number in range(1200)]
    story = story_of(
        followed(
            records[:-1],
            (1.0, StepStarted("web3", Step.RESTART)),
            (1.0, CommandSent("web3", Step.RESTART, "web3", "make")),
            *lines,
        )
    )
    shown = [line.strip() for line in show.text(story, [])]
    assert "| line 1199" in shown
    assert "| line 1198" not in shown
    assert "| the end of 1,200 lines; all of them: rollout show -i 'my prod.yml' 17 --output-of web3" in shown
    whole = [*show.output(story, "web3")]
    assert whole[1:-1] == ["$ make", *(f"line {number}" for number in range(1200))]


def test_every_try_is_told(records: list[Record]) -> None:
    """With its own time and reason; what users saw stands by its try."""
    story = story_of(
        followed(
            records,
            (600.0, DeploymentResumed(("web2", "web3"), (), "bob", "desk", 43)),
            (601.0, StepStarted("web2", Step.BAKE)),
            (611.0, Waited("web2", Step.BAKE, "too few requests to judge the release", 9.0)),
            (
                611.0,
                Judged(("web2",), Verdict.PASS, "3 errors of 2,410", 2410, 3, "web1, web3 on 1.4.1", 9000, 1),
            ),
            (611.0, StepFinished("web2", Step.BAKE, 10.0)),
            (612.0, Served("1.4.2", 2410, 3)),
            (612.0, UsersSaw(2500, 4, 1)),
            (612.0, Probed(60, 1, 12.0, 90.0)),
            (612.0, DeploymentFinished(Outcome.INTERRUPTED, 12.0, "bob on desk halted it")),
        )
    )
    shown = [*show.text(story, [])]
    assert shown[:2] == [
        "deployment 17 of shop: 1.4.2, try 2 interrupted after 12 s: bob on desk halted it",
        "  first failure: web2 at restart: exit status 1",
    ]
    at = shown.index("2 tries, 1 min 27 s together:")
    assert shown[at + 1 : at + 3] == [
        "  1  2023-11-15 12:00  anna on laptop: failed after 1 min 15 s: web2 failed",
        "  2  2023-11-15 12:11  bob on desk: interrupted after 12 s: bob on desk halted it",
    ]
    assert [line for line in shown if line.startswith("  try")] == ["  try 1", "  try 1", "  try 2"]
    assert "  12:11:26  verdict on web2: pass: 3 errors of 2,410; web1, web3 on 1.4.1: 1 of 9,000" in shown
    assert "                     watched 9.0 s: too few requests to judge the release" in shown
    at = shown.index("what users saw:")
    assert shown[at + 1 : at + 4] == [
        "  in try 2:",
        "  users saw 4 errors in 2,500 requests: 1 by HAProxy, 3 of 2,410 by servers of release 1.4.2",
        "  the probe saw 1 failure in 60 requests · median 12 ms, longest 90 ms",
    ]


def test_what_was_run_next(records: list[Record]) -> None:
    """The deployments after it, and nothing to run where there is one."""
    back = summary_of(dataclasses.replace(fold(records), deployment=18, rollback_of=17, release="1.4.1"))
    shown = [*show.text(story_of(records), [back])]
    at = shown.index("what was run next:")
    assert shown[at + 1 :] == [
        "  2023-11-15 12:00  deployment 18: 1.4.1, rollback of 17, failed, by anna on laptop"
    ]
    assert document(story_of(records), [back], running=False)["next"][0]["deployment"] == 18


def test_printed_lines_of_another_machine_are_said_to_be_there(records: list[Record]) -> None:
    """Only the machine that deployed has them."""
    assert [*show.text(story_of(records), [], elsewhere=True)][-1] == (
        "laptop alone has what the commands printed: run `rollout show` there to see it"
    )


def test_programs_get_everything_with_names_and_times(records: list[Record]) -> None:
    """Times are ISO 8601 in UTC, and flags have names."""
    told = document(story_of(records), [], running=False)
    assert told["state"] == "failed"
    assert told["started"] == "2023-11-15T12:00:00.000Z"
    assert told["ended"] == "2023-11-15T12:01:15.000Z"
    web1, web2, web3, web4 = told["nodes"]
    assert [node["state"] for node in (web1, web2, web3, web4)] == ["done", "failed", "waiting", "skipped"]
    assert web1["servers"][0]["admin"] == []
    drain = web1["tries"][0]["steps"][0]
    assert drain["waits"] == [{"detail": "lb1 drains", "seconds": pytest.approx(6.4)}]
    assert drain["commands"][0] == {
        "time": "2023-11-15T12:00:01.000Z",
        "target": "lb1",
        "line": "set server shop/web1 state drain",
        "printed": [],
    }
    failure = web2["tries"][0]["steps"][0]["failure"]
    assert failure["tail"] == ("starting shop", "ImportError: no module named shop")
    assert web2["tries"][0]["end"]["left_out"] is True
    assert why_document(story_of(records), "web2", None)["node"] == web2


def test_why_a_node_failed_in_words(records: list[Record]) -> None:
    """What happened to it, step by step, with the last lines, and how it stands."""
    assert [*why.text(story_of(records), "web2", None, "prod.yml")] == [
        "web2 failed at restart in deployment 17 (1.4.2, 2023-11-15 12:00:00 UTC): exit status 1",
        "",
        "anna deployed from laptop.",
        "  12:00:09  Its restart failed after 1.2 s: exit status 1",
        "            The last lines that were printed:",
        "            | starting shop",
        "            | ImportError: no module named shop",
        "            hint: ssh web2 journalctl -u shop",
        "  12:00:10  warning: it is warm",
        "",
        "It is left out: it takes no traffic now.",
        "all that its commands printed: rollout show -i prod.yml 17 --output-of web2",
    ]


def test_why_of_nodes_that_did_not_fail(records: list[Record]) -> None:
    """One that is done, one whose turn did not come, and one that was skipped."""
    story = story_of(records)
    done = [*why.text(story, "web1", None, "prod.yml")]
    assert done[0] == (
        "web1 is done: deployment 17 (1.4.2, 2023-11-15 12:00:00 UTC) finished with it in 8.0 s."
    )
    assert "Before, web1 ran 1.4.1." in done
    assert "            It waited 6.4 s for: lb1 drains" in done
    untouched = [*why.text(story, "web3", None, "prod.yml")]
    assert untouched[0].endswith(": its turn did not come.")
    assert "No further node started: web2 failed" in untouched
    assert "somebody else keeps it out of rotation" in next(why.text(story, "web4", None, "prod.yml"))
