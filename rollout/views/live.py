"""The live table on a terminal: a row per node in flight, and how far the deployment is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rollout.decisions.fold import advance
from rollout.decisions.progress import NodeProgress, Phase, Progress
from rollout.domain import Outcome, Step
from rollout.events import (
    DeploymentFinished,
    DeploymentResumed,
    DeploymentStarted,
    Halted,
    HookPrinted,
    HookStarted,
    Paused,
    Record,
    Warned,
    WentOn,
)
from rollout.views.ending import ending, fate
from rollout.views.text import (
    Lasting,
    change,
    duration,
    few,
    headline,
    paused,
    printable,
    resumption,
    waits_for,
)

MARKS = {
    Phase.WAITING: ("·", "dim"),
    Phase.RUNNING: ("●", "cyan"),
    Phase.DONE: ("✓", "green"),
    Phase.FAILED: ("✗", "red"),
    Phase.SKIPPED: ("·", "dim"),
}

PAST = {
    Step.PREPARE: "prepared",
    Step.DRAIN: "drained",
    Step.RELEASE: "released",
    Step.RESTART: "restarted",
    Step.VERIFY: "healthy",
    Step.READY: "ready",
    Step.BAKE: "baked",
}

AROUND_ROWS = 7
"""Lines of the terminal that hold no node's row: blank ones, the collapsed nodes, the bar."""


class _PatientLive(Live):
    """A live display that draws only when it may."""

    def __init__(
        self, console: Console, render: Callable[[], RenderableType], may_draw: Callable[[], bool]
    ) -> None:
        self._may_draw = may_draw
        super().__init__(console=console, get_renderable=render, refresh_per_second=5)

    def refresh(self) -> None:
        if self._may_draw():
            super().refresh()


class LiveView:
    """A table that is redrawn five times a second, until the deployment ends."""

    def __init__(
        self,
        console: Console | None = None,
        clock: Callable[[], float] = time.time,
        *,
        progress: Progress | None = None,
        may_draw: Callable[[], bool] = lambda: True,
    ) -> None:
        """`progress` is where a resumed deployment stands. `may_draw` says whether the terminal has taken
        everything so far: one that is stopped gets no further tables, which would all have to be drawn later.
        """
        self._console = console or Console(file=cast(TextIO, Lasting(sys.stdout)), highlight=False)
        self._clock = clock
        self._progress = progress or Progress()
        self._live = _PatientLive(self._console, self.render, may_draw)

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, record: Record) -> None:
        self._progress = advance(self._progress, record)
        match record.event:
            case DeploymentStarted():
                self._print(headline(self._progress), "bold")
            case DeploymentResumed(nodes=nodes):
                self._print(resumption(self._progress, nodes), "bold")
            case HookStarted(node=None, hook=hook):
                self._print(f"{hook} …", "dim")
            case HookPrinted(node=None, hook=hook, text=text):
                self._print(f"{hook} | {text}", "dim")
            case Warned(node=node, message=message):
                self._print(f"warning: {node + ': ' if node else ''}{message}", "yellow")
            case Halted(reason=reason):
                self._print(f"halted, no further node starts: {reason}", "yellow")
            case Paused(reason=reason):
                self._print(paused(self._progress, reason), "bold yellow")
            case WentOn(reason=reason):
                self._print(f"continues: {reason}", "yellow")
            case DeploymentFinished(outcome=outcome):
                self._live.stop()
                self._print_ending("bold green" if outcome is Outcome.DONE else "bold red")

    def render(self) -> RenderableType:
        """The table as it is now, never taller than the terminal."""
        progress = self._progress
        if progress.started is None:
            return Group()
        width, height = self._console.size
        room = max(1, height - AROUND_ROWS)
        busy = progress.names(Phase.FAILED) + progress.names(Phase.RUNNING)
        done = progress.names(Phase.DONE)
        newest = done[max(0, len(done) - max(0, room - len(busy))) :]
        shown = {*busy[:room], *newest}
        lines: list[RenderableType] = [Text()]
        if hidden := len(done) - len(newest):
            lines.append(_collapsed(Phase.DONE, f"{hidden} done"))
        lines.append(self._rows([node for node in progress.nodes.values() if node.name in shown], width))
        if hidden := len(busy[room:]):
            lines.append(_collapsed(Phase.RUNNING, f"{hidden} more in flight or failed"))
        lines += [
            _collapsed(phase, f"{few(names)} ({len(names)} {phase})")
            for phase in (Phase.WAITING, Phase.SKIPPED)
            if (names := progress.names(phase))
        ]
        lines.append(self._bar(width))
        return Padding(Group(*lines), (0, 0, 0, 2))

    def _rows(self, nodes: list[NodeProgress], width: int) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=width // 3)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=width // 4)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column(no_wrap=True, justify="right")
        for node in nodes:
            mark, style = MARKS[node.phase]
            what, detail, seconds = self._cells(node)
            table.add_row(
                Text.assemble((mark, style), " ", printable(node.name)),
                Text(printable(what), style="" if node.phase is Phase.RUNNING else style),
                Text(printable(detail)),
                Text(duration(seconds) if seconds is not None else ""),
            )
        return table

    def _cells(self, node: NodeProgress) -> tuple[str, str, float | None]:
        """The cells of a node after its name: its present or last step, details, and the seconds that it
        took."""
        if node.phase is Phase.DONE:
            steps = " · ".join(f"{PAST[step]} {duration(took)}" for step, took in node.step_seconds.items())
            return change(node, self._progress.release_of(node.name)), steps, node.seconds
        if failure := node.failure:
            return (
                f"{failure.step} failed",
                f"{failure.reason} · {fate(node, balanced=self._progress.balanced)}",
                failure.seconds,
            )
        since = None if node.step_started is None else self._clock() - node.step_started
        return str(node.step or node.phase), waits_for(node.detail, node.sessions), since

    def _bar(self, width: int) -> Table:
        progress = self._progress
        parts = [f"{progress.done} of {progress.total}"]
        if progress.failed:
            parts.append(f"{progress.failed} failed")
        if progress.running and progress.halted is not None:
            parts.append(f"halted, {len(progress.names(Phase.RUNNING))} in flight")
        left = progress.seconds_left(self._clock()) if progress.running else None
        if left:
            parts.append(f"about {_roughly(left)} left")
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_row(
            ProgressBar(total=max(1, progress.total), completed=progress.done, width=max(10, width // 2 - 8)),
            Text(" · ".join(parts), no_wrap=True, overflow="ellipsis"),
        )
        return line

    def _print(self, line: str, style: str) -> None:
        self._console.print(Text(printable(line), style))

    def _print_ending(self, style: str) -> None:
        """Print the last lines, and let the terminal wrap long ones: people copy commands from here."""
        first, *others = ending(self._progress)
        text = Text("\n").append(first, style).append("".join(f"\n{line}" for line in others))
        self._console.print(text, soft_wrap=True)


def _collapsed(phase: Phase, text: str) -> Text:
    mark, style = MARKS[phase]
    return Text.assemble((mark, style), " ", printable(text), no_wrap=True, overflow="ellipsis")


def _roughly(seconds: float) -> str:
    return f"{5 * max(1, round(seconds / 5))} s" if seconds < 57.5 else f"{round(seconds / 60)} min"
