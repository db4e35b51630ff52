"""The live table of a deployment on the terminal from which it is carried out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from rollout.decisions.fold import advance
from rollout.decisions.progress import Progress
from rollout.domain import Outcome
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
from rollout.views.deployment_table import footer, in_sight, pause_line
from rollout.views.ending import ending
from rollout.views.screen import Screen
from rollout.views.text import Lasting, headline, paused, printable, resumption

AROUND_ROWS = 9
"""Lines of the terminal that hold no node's row: blank ones, the collapsed nodes, the pause, the footer."""


def terminal() -> Console:
    """The terminal that standard output is."""
    return Console(file=cast(TextIO, Lasting(sys.stdout)), highlight=False)


class LiveView:
    """A table that is redrawn five times a second, until the deployment ends."""

    def __init__(
        self,
        console: Console | None = None,
        clock: Callable[[], float] = time.time,
        *,
        progress: Progress | None = None,
        may_draw: Callable[[], bool] = lambda: True,
        is_answered: bool = False,
    ) -> None:
        """`progress` is where a resumed deployment stands, `may_draw` that of `Screen`, and `is_answered`
        says whether somebody can press Enter here."""
        self._clock = clock
        self._progress = progress or Progress()
        self._is_answered = is_answered
        self._screen = Screen(console or terminal(), self.render, may_draw)

    def __enter__(self) -> LiveView:
        self._screen.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._screen.stop()

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
                self._print(paused(self._progress, reason, is_answered=self._is_answered), "bold yellow")
            case WentOn(reason=reason):
                self._print(f"continues: {reason}", "yellow")
            case DeploymentFinished(outcome=outcome):
                self._screen.stop()
                self._print_ending("bold green" if outcome is Outcome.DONE else "bold red")

    def render(self) -> RenderableType:
        """The table as it is now, never taller than the terminal."""
        progress, now = self._progress, self._clock()
        if progress.started is None:
            return Group()
        width, height = self._screen.console.size
        lines: list[RenderableType] = [Text()]
        lines += in_sight(progress, max(1, height - AROUND_ROWS), width=width, now=now)
        if progress.running and progress.paused:
            lines.append(pause_line(progress, now, is_answered=self._is_answered))
        return Padding(Group(*lines, *footer(progress, now, width)), (0, 0, 0, 2))

    def _print(self, line: str, style: str) -> None:
        self._screen.print(Text(printable(line), style))

    def _print_ending(self, style: str) -> None:
        """Print the last lines, and let the terminal wrap long ones: people copy commands from here."""
        first, *others = ending(self._progress)
        text = Text("\n").append(first, style).append("".join(f"\n{line}" for line in others))
        self._screen.console.print(text, soft_wrap=True)
