"""Words, times, endings, and what may reach a terminal."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.decisions.fold import fold
from rollout.decisions.progress import Progress
from rollout.domain import Outcome, Step
from rollout.events import (
    DeploymentFinished,
    Event,
    NodeFailed,
    NodeFinished,
    Record,
    Served,
    StepFailed,
    StepStarted,
    UsersSaw,
)
from rollout.views.ending import ending, fate
from rollout.views.text import Lines, duration, few, headline, printable


def progress_of(records: Sequence[Record], *events: Event) -> Progress:
    """The invented deployment's beginning, followed by other events."""
    start = records[0]
    later = (dataclasses.replace(start, event=event) for event in events)
    return fold([start, *later])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain → übung 日本", "plain → übung 日本"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x07\x7f\x9b", r"\x07\x7f\x9b"),
        ("abc\rdef\nghi", r"abc\rdef\nghi"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
        ("broken \udcff", r"broken \udcff"),
        ("a\tb", "a       b"),
    ],
)
def test_what_does_not_show_is_made_to_show(text: str, shown: str) -> None:
    """Control characters and bidirectional overrides are written out, letters of all scripts stay."""
    assert printable(text) == shown


@given(st.text(st.characters(codec=None)))
def test_nothing_unprintable_is_left(text: str) -> None:
    """Whatever comes in, what goes out is one harmless line, and escaping it again changes nothing."""
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0.0 s"),
        (0.26, "0.3 s"),
        (9.97, "10 s"),
        (12.4, "12 s"),
        (59.7, "1 min"),
        (65, "1 min 5 s"),
        (3600, "1 h"),
        (7830, "2 h 10 min"),
    ],
)
def test_durations_are_written_for_people(seconds: float, shown: str) -> None:
    """Tenths below ten seconds, and two units at most."""
    assert duration(seconds) == shown


def test_many_names_are_cut_short() -> None:
    """Up to eight names are listed; of more, the first and the last."""
    names = [f"web{number}" for number in range(1, 10)]
    assert few(names[:8]) == "web1 web2 web3 web4 web5 web6 web7 web8"
    assert few(names) == "web1 … web9"


def test_the_headline_of_a_rolling_restart(records: list[Record]) -> None:
    """Without a release it is a restart; without load balancers none are named."""
    changes = {"release": None, "load_balancers": (), "window": 2, "canary": 0, "nodes": ("web1",)}
    start = dataclasses.replace(records[0], event=dataclasses.replace(records[0].event, **changes))
    assert headline(fold([start])) == "shop restart → 1 node · 2 at a time (deployment 17)"


def test_a_good_end_is_one_line(records: list[Record]) -> None:
    """When all went well there is nothing to run next."""
    events = [NodeFinished(node, 5.0) for node in ("web1", "web2", "web3")]
    progress = progress_of(records, *events, DeploymentFinished(Outcome.DONE, 65.0))
    assert ending(progress) == [
        "shop 1.4.2 done on 3 of 4 nodes in 1 min 5 s",
        "  3 done: web1 web2 web3",
        "  1 skipped: web4",
    ]


def test_the_end_says_who_failed_users(records: list[Record]) -> None:
    """HAProxy's own answers stand apart from those of each release's servers, and of servers of nobody."""
    progress = progress_of(
        records,
        Served("the release before", 9000, 0),
        Served("1.4.2", 3000, 42),
        Served("other servers", 40, 1),
        UsersSaw(12_141, 143, 100),
        DeploymentFinished(Outcome.FAILED, 65.0),
    )
    (line,) = (line for line in ending(progress) if "users saw" in line)
    assert line == (
        "  users saw 143 errors in 12,141 requests: 100 by HAProxy, 0 of 9,000 by servers of the release"
        " before, 42 of 3,000 by servers of release 1.4.2, 1 of 40 by other servers"
    )


def test_an_interruption_names_the_nodes_in_doubt(records: list[Record]) -> None:
    """A node that was in the middle of its turn may take no traffic: the end says how to put it back."""
    progress = progress_of(
        records,
        StepStarted("web1", Step.RESTART),
        StepStarted("web2", Step.PREPARE),
        DeploymentFinished(Outcome.INTERRUPTED, 3.0),
    )
    assert ending(progress) == [
        "shop 1.4.2 was interrupted after 3.0 s",
        "  2 unfinished: web1 web2",
        "  1 untouched: web3",
        "  1 skipped: web4",
        "",
        "web1 was interrupted at restart",
        "  it may take no traffic",
        "",
        "web2 was interrupted at prepare",
        "  it takes traffic as before, untouched",
        "",
        "what to run next, or deploy again once the cause is fixed:",
        "  rollout status -i 'my prod.yml'    # see where every node stands",
        "  rollout resume -i 'my prod.yml'    # continue where it stopped",
        "  rollout restore -i 'my prod.yml'   # put web1 back as it was, if it is healthy",
        "  rollout rollback -i 'my prod.yml'  # put the old release back on web1",
    ]


def test_what_would_undo_it_is_said(records: list[Record]) -> None:
    """A node that is left out is out now: a reload puts it back where only the running HAProxy knows."""
    failed = StepFailed("web1", Step.VERIFY, 1.0, "no answer")
    progress = progress_of(
        records,
        StepStarted("web1", Step.VERIFY),
        failed,
        NodeFailed("web1", left_out=True, forgotten_by=("lb1", "lb2")),
        DeploymentFinished(Outcome.FAILED, 3.0, "web1 failed"),
    )
    lines = ending(progress)
    assert lines[lines.index("web1 failed at verify after 1.0 s: no answer") + 1 :][:3] == [
        "  left out: it takes no traffic now",
        "  a reload or restart of HAProxy on lb1 lb2 puts it back into rotation",
        "  to keep it out, stop its application; `rollout drain --keep` says what else lasts",
    ]
    assert any("rollout drain -i 'my prod.yml' --keep web1" in line for line in lines)


def test_one_that_fell_is_not_said_to_take_traffic(records: list[Record]) -> None:
    """A node that was put back and is down: rollout did not take it out, and no command puts it back."""
    fell = StepFailed("web1", Step.BAKE, 2.5, "HAProxy finds shop/web1 on lb1 DOWN", fell=True)
    progress = progress_of(
        records,
        StepStarted("web1", Step.RESTART),
        fell,
        NodeFailed("web1", left_out=False),
        DeploymentFinished(Outcome.FAILED, 3.0, "web1 was put back, and is out of rotation again"),
    )
    lines = ending(progress)
    told = "web1 was back, and went out of rotation again after 2.5 s: HAProxy finds shop/web1 on lb1 DOWN"
    assert lines[lines.index(told) + 1] == (
        "  out of rotation by its health check, not by rollout: it takes traffic once the check passes"
    )
    assert not any("restore" in line for line in lines)
    assert any("resume" in line for line in lines)


def test_a_node_that_was_put_back_needs_no_command(records: list[Record]) -> None:
    """A node that failed before its application was restarted serves, and an unknown outcome is said."""
    failed = StepFailed("web1", Step.RELEASE, 30.0, "interrupted", unknown=True)
    progress = progress_of(
        records,
        StepStarted("web1", Step.RELEASE),
        failed,
        NodeFailed("web1", left_out=False),
        DeploymentFinished(Outcome.FAILED, 31.0, "web1 failed"),
    )
    assert ending(progress)[4:] == [
        "",
        "web1 failed at release after 30 s: interrupted",
        "  whether release worked is unknown: the answer never came",
        "  it takes traffic as before, not restarted",
        "",
        "what to run next, or deploy again once the cause is fixed:",
        "  rollout status -i 'my prod.yml'    # see where every node stands",
        "  rollout resume -i 'my prod.yml'    # continue where it stopped",
        "  rollout rollback -i 'my prod.yml'  # put the old release back on web1",
    ]


@pytest.mark.parametrize(
    ("left_out", "told"),
    [
        (False, "its servers are as somebody else set them"),
        (True, "left out, except what somebody else changed"),
    ],
)
def test_what_others_changed_is_not_told_as_ours(records: list[Record], left_out: bool, told: str) -> None:
    """Whether such a node takes traffic is not for us to say."""
    failed = StepFailed("web1", Step.DRAIN, 1.0, "someone else changed it", changed_by_others=True)
    progress = progress_of(
        records, StepStarted("web1", Step.DRAIN), failed, NodeFailed("web1", left_out=left_out)
    )
    assert fate(progress.nodes["web1"], balanced=True) == told


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (Step.PREPARE, "untouched"),
        (Step.RESTART, "no load balancer could take it out: it keeps running in its present state"),
    ],
)
def test_without_load_balancers_nothing_is_left_out(records: list[Record], step: Step, told: str) -> None:
    """A failed node still gets whatever it got before, and nothing else is claimed."""
    balanced = dataclasses.replace(records[0].event, balanced=False)
    start = [dataclasses.replace(records[0], event=balanced)]
    failed = StepFailed("web1", step, 1.0, "it broke")
    progress = progress_of(start, StepStarted("web1", step), failed, NodeFailed("web1", left_out=True))
    shown = "\n".join(ending(progress))
    assert told in shown
    assert "takes no traffic" not in shown


def test_lines_reach_any_encoding() -> None:
    """A stream that knows only ASCII gets escapes, not an error."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Lines(stream).write("shop → web1")
    assert raw.getvalue() == b"shop \\u2192 web1\n"


def test_a_reader_that_goes_away_is_no_error(gone: TextIO) -> None:
    """After the reading end of a pipe is closed, lines are dropped in silence."""
    lines = Lines(gone)
    lines.write("one")
    lines.write("two")
