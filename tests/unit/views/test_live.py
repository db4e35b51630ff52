"""The live table, as a terminal shows it."""

from __future__ import annotations

import dataclasses
import io
import os
import sys
from contextlib import suppress
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from rollout.domain import Step
from rollout.events import (
    DeploymentStarted,
    Event,
    Halted,
    HookPrinted,
    HookStarted,
    NodeFinished,
    OutputSeen,
    Paused,
    Progressed,
    Record,
    Sampled,
    StepFailed,
    StepFinished,
    StepStarted,
    Warned,
    WentOn,
)
from rollout.views.live import LiveView


class Screen:
    """A terminal of some size, and a view on it that is not started: what it would draw can be asked."""

    def __init__(
        self, records: list[Record], *, nodes: int = 3, width: int = 80, height: int = 24, **plan: Any
    ) -> None:
        self.out = io.StringIO()
        self.console = Console(
            file=self.out, width=width, height=height, force_terminal=True, color_system=None
        )
        self.now = records[0].time
        self.view = LiveView(self.console, clock=lambda: self.now)
        start = records[0].event
        assert isinstance(start, DeploymentStarted)
        names = tuple(f"web{number}" for number in range(1, nodes + 1))
        self.show(dataclasses.replace(start, nodes=names, skipped=(), **plan))

    def show(self, *events: Event) -> None:
        for event in events:
            self.view.show(Record(17, 1, self.now, event))

    def lines(self) -> list[str]:
        rows = self.console.render_lines(self.view.render(), pad=False)
        return ["".join(segment.text for segment in row if not segment.control).rstrip() for row in rows]


def rolled(node: str) -> list[Event]:
    return [
        StepStarted(node, Step.DRAIN),
        StepFinished(node, Step.DRAIN, 0.3),
        StepStarted(node, Step.RESTART),
        StepFinished(node, Step.RESTART, 1.1),
        NodeFinished(node, 20.0),
    ]


def failed(node: str) -> list[Event]:
    return [StepStarted(node, Step.VERIFY), StepFailed(node, Step.VERIFY, 3.2, "no answer")]


def test_three_nodes_on_eighty_columns(records: list[Record]) -> None:
    """A done node, one that runs since 2.1 s, one that waits, and how far it all is."""
    screen = Screen(records)
    screen.show(
        *rolled("web1"), StepStarted("web2", Step.DRAIN), Progressed("web2", Step.DRAIN, "lb1 drained", 3)
    )
    screen.now += 2.1
    assert screen.lines() == [
        "",
        "  ✓ web1  1.4.2  drained 0.3 s · restarted 1.1 s                            20 s",
        "  ● web2  drain  lb1 drained · 3 sessions left                             2.1 s",
        "  · next: web3 once web2 is done (1 waiting)",
        "  ━━━━━━━━━━╸                       1 of 3 · about 40 s left",
        "  12:00:02 · 2.1 s so far",
    ]


def test_a_failed_node_says_why(records: list[Record]) -> None:
    """A failed node keeps its row, with the step and the reason."""
    screen = Screen(records, nodes=1)
    screen.show(*failed("web1"))
    assert screen.lines()[1] == (
        "  ✗ web1  verify failed  no answer · it may take no traffic                3.2 s"
    )


@pytest.mark.parametrize(
    ("reason", "tail", "shown"),
    [
        (
            "`sleep 0.5; ./restart --all` exited with 3",
            ("ImportError: no shop", " "),
            "ImportError: no shop (",
        ),
        ("`./restart` exited with 3", (), "exited with 3 · it may"),
        (
            "http://10.0.0.2/ did not stay healthy: 503",
            ("starting",),
            "http://10.0.0.2/ did not stay healthy",
        ),
    ],
)
def test_a_failed_row_has_the_cause(
    records: list[Record], reason: str, tail: tuple[str, ...], shown: str
) -> None:
    """What the node said last, and not the command that said it: the row has no room for both."""
    screen = Screen(records, nodes=1, width=120)
    screen.show(StepStarted("web1", Step.RESTART), StepFailed("web1", Step.RESTART, 3.2, reason, tail=tail))
    assert f"restart failed  {shown}" in screen.lines()[1]
    assert "--all" not in screen.lines()[1]


def test_a_bake_shows_what_is_left_of_it(records: list[Record]) -> None:
    """Its target and its rest, and that it takes longer than that where it does."""
    screen = Screen(records, nodes=1, bake=10.0)
    screen.show(StepStarted("web1", Step.BAKE), Progressed("web1", Step.BAKE, "120 requests of 200"))
    screen.now += 4
    assert "bake  6.0 s left of 10 s · 120 requests of 200" in screen.lines()[1]
    screen.now += 7
    assert "bake  longer than 10 s · 120 requests of 200" in screen.lines()[1]


def test_what_comes_next_and_why_it_waits(records: list[Record]) -> None:
    """For the canary, for a wave, for a node in flight, for a pause, or not at all after a halt."""
    screen = Screen(records, nodes=4, waves=(1, 2, 1))
    screen.show(StepStarted("web1", Step.BAKE))
    assert "  · next: web2 once the canary web1 is done, then web3 web4 (3 waiting)" in screen.lines()
    screen.show(NodeFinished("web1", 20.0), StepStarted("web2", Step.DRAIN))
    assert "  · next: web3 once web2 is done, then web4 (2 waiting)" in screen.lines()
    screen.show(StepStarted("web3", Step.DRAIN))
    assert "  · next: web4 once this wave is done (1 waiting)" in screen.lines()
    screen.show(Paused("all nodes fail"))
    assert "  · web4 (1 waiting for the end of the pause)" in screen.lines()
    screen.show(WentOn("no longer the case"), Halted("web3 failed"))
    assert "  · web4 (1 will not start)" in screen.lines()


def test_what_users_got_so_far_is_in_sight(records: list[Record]) -> None:
    """By release, and what no server answered, beside the clock and the whole time; the last one counts."""
    screen = Screen(records, width=130)
    for requests, errors, by_haproxy in ((10, 0, 0), (1204, 1, 5)):
        screen.show(Sampled(("1.4.1", "1.4.2"), (9000, requests), (2, errors), by_haproxy, {}, {}, 0, 0, 0))
    screen.now += 65
    assert screen.lines()[-1] == (
        "  12:01:05 · 1 min 5 s so far · 2 of 9,000 failed on 1.4.1 · 1 of 1,204 failed on 1.4.2"
        " · 5 failed by HAProxy itself"
    )


def test_a_pause_says_how_it_ends_and_the_time_left_stands_still(records: list[Record]) -> None:
    """However long somebody thinks about it, also once it is over; Enter is named where it can be pressed."""
    screen = Screen(records, width=110)
    screen.view = LiveView(screen.console, clock=lambda: screen.now, is_answered=True)
    screen.show(records[0].event, *rolled("web1")[:-1])
    screen.now += 20
    screen.show(NodeFinished("web1", 20.0), StepStarted("web2", Step.BAKE))
    screen.now += 5

    def left() -> str:
        return next(line for line in screen.lines() if "left" in line).partition(" of 3 · ")[2]

    screen.show(Paused("too few requests"))
    assert left() == "about 35 s left after the pause"
    screen.now += 3600
    assert left() == "about 35 s left after the pause"
    assert (
        "  paused for 1 h: too few requests; press Enter, or: rollout promote -i 'my prod.yml'"
        in screen.lines()
    )
    screen.show(WentOn("Enter asked to continue"))
    assert left() == "about 35 s left"
    screen.show(NodeFinished("web2", 3620.0))
    assert left() == "about 20 s left"


def test_a_halt_is_told_at_once_and_stays_in_sight(records: list[Record]) -> None:
    """Above the table why, and below it that the nodes in flight are waited for."""
    screen = Screen(records)
    screen.show(StepStarted("web1", Step.DRAIN), Halted("SIGINT: the nodes in flight finish"))
    assert "halted, no further node starts: SIGINT: the nodes in flight finish" in screen.out.getvalue()
    assert screen.lines()[-2].endswith("0 of 3 · halted, 1 in flight")
    screen.show(Halted("SIGINT again: bringing the nodes in flight to a safe end at once"))
    assert "SIGINT again" in screen.out.getvalue()


def test_a_terminal_that_is_stopped_gets_no_further_tables(records: list[Record]) -> None:
    """Each would have to be drawn later, one after the other; lines are printed all the same."""
    screen = Screen(records)
    screen.view = LiveView(screen.console, clock=lambda: screen.now, may_draw=lambda: False)
    screen.show(records[0].event)
    before = screen.out.getvalue()
    screen.view._screen.refresh()
    assert screen.out.getvalue() == before
    screen.show(Halted("SIGINT: the nodes in flight finish"))
    assert "halted, no further node starts" in screen.out.getvalue()


def test_fifty_nodes_fit_the_screen(records: list[Record]) -> None:
    """Waiting and older done nodes are collapsed; those in flight and those that failed have their rows."""
    screen = Screen(records, nodes=50)
    for number in range(1, 31):
        screen.show(*(failed if number == 4 else rolled)(f"web{number}"))
    screen.show(*(StepStarted(f"web{number}", Step.DRAIN) for number in range(31, 36)))
    lines = screen.lines()
    assert len(lines) < 24
    assert lines[1] == "  ✓ 20 done"
    assert lines[2].startswith("  ✗ web4 ")
    assert [line.split()[1] for line in lines[3:17]] == [f"web{number}" for number in range(22, 36)]
    assert lines[17].startswith("  · next: web36 once one of them is done, then web37 … web50 (15 waiting)")
    assert lines[18].endswith("29 of 50 · 1 failed · about 7 min left")


def test_more_nodes_in_flight_than_lines(records: list[Record]) -> None:
    """When even the nodes in flight are too many, failed ones come first and the rest is counted."""
    screen = Screen(records, nodes=50)
    screen.show(*(StepStarted(f"web{number}", Step.PREPARE) for number in range(1, 50)), *failed("web50"))
    lines = screen.lines()
    assert len(lines) < 24
    assert any(line.startswith("  ✗ web50 ") for line in lines)
    assert "  ● 35 more in flight or failed" in lines


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(records: list[Record], width: int) -> None:
    """Long names and long details are cut, and the time stays in sight."""
    screen = Screen(records, width=width)
    node = "shop-frontend-0001.eu-central-1.example.com"
    screen.show(StepStarted(node, Step.DRAIN), Progressed(node, Step.DRAIN, "日本 lb1 drains " * 20, 3))
    lines = screen.lines()
    assert max(map(cell_len, lines)) <= width
    assert lines[1].endswith("… 0.0 s") or lines[1].endswith("…  0.0 s")


def test_what_nodes_print_is_neither_obeyed_nor_marked_up(records: list[Record]) -> None:
    """Escape sequences are written out, and square brackets are only square brackets."""
    screen = Screen(records)
    hostile = "\x1b[2J\u202e[bold]x[/bold] [/]"
    screen.show(
        StepStarted("web1", Step.RELEASE),
        OutputSeen("web1", Step.RELEASE, hostile),
        Warned(hostile, node="web1"),
    )
    shown = r"\x1b[2J\u202e[bold]x[/bold] [/]"
    assert shown in screen.lines()[1]
    written = screen.out.getvalue()
    assert f"warning: web1: {shown}" in written
    assert "\x1b[2J" not in written
    assert "\u202e" not in written


def test_a_whole_deployment_on_a_terminal(records: list[Record]) -> None:
    """Started, shown and ended for real: warnings and the end stay readable, and the cursor comes back."""
    out = io.StringIO()
    console = Console(file=out, width=80, height=24, force_terminal=True, color_system=None, _environ={})
    with LiveView(console) as view:
        for record in records:
            view.show(record)
    written = out.getvalue()
    assert "warning: backend shop has no option redispatch" in written
    assert "shop 1.4.2 failed after 1 min 15 s: web2 failed\n" in written
    assert written.rstrip().endswith(
        "rollout rollback -i 'my prod.yml'  # put the old release back on web2 web1"
    )
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1


def test_no_color_is_honoured(records: list[Record]) -> None:
    """With NO_COLOR in the environment, no colour is written."""

    def written(environment: dict[str, str]) -> str:
        out = io.StringIO()
        environment = {"TERM": "xterm-256color", **environment}
        console = Console(file=out, width=80, height=24, force_terminal=True, _environ=environment)
        with LiveView(console) as view:
            for record in records:
                view.show(record)
        return out.getvalue()

    red = "\x1b[1;31m"
    assert red in written({})
    assert red not in written({"NO_COLOR": "1"})


def test_a_terminal_that_goes_away_is_no_error(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment goes on when its terminal is gone, as after a lost login."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        with LiveView() as view:
            view.show(records[0])
            os.close(ours)
            for record in records[1:]:
                view.show(record)
        with suppress(OSError):
            terminal.close()


def test_a_hook_is_seen(records: list[Record]) -> None:
    """One of the deployment above the table, one of a node in its row, with its newest line and its time."""
    screen = Screen(records)
    screen.show(HookStarted("before_deploy", None, "here", "./x"), HookPrinted("before_deploy", None, "fine"))
    assert screen.out.getvalue().splitlines()[-2:] == ["before_deploy …", "before_deploy | fine"]
    screen.show(HookStarted("before_node", "web1", "node", "./x"))
    screen.now += 2
    row = next(line for line in screen.lines() if "web1" in line)
    assert row.split() == ["●", "web1", "running", "before_node", "2.0", "s"]
    screen.show(HookPrinted("before_node", "web1", "asking"))
    assert any("asking" in line for line in screen.lines())
