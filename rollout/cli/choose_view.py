"""The choice of a view for events: a live table on a terminal, lines in CI, JSON for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollout.cli.confirm import on_terminal
from rollout.cli.output import UnblockedStream
from rollout.cli.recorder import ShowRecord
from rollout.cli.unechoed import unechoed
from rollout.decisions.progress import Progress
from rollout.events import Record
from rollout.views.plain import Amount
from rollout.views.sections import GitHubSections, sections_for
from rollout.views.text import Lines


@contextmanager
def event_view(
    output: str, amount: Amount, inventory: Path, before: Progress | None = None
) -> Iterator[ShowRecord]:
    """Shows records on standard output as they come. `before` is where a resumed deployment stands, and
    `inventory` what annotations are about."""
    progress = before or Progress()
    if output == "json":
        from rollout.views.jsonlines import JsonView, lines_not_shown

        if isinstance(sys.stdout, UnblockedStream):
            sys.stdout.notice = lines_not_shown
        yield JsonView(sys.stdout).show
    elif sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and amount == "usual":
        from rollout.views.live import LiveView

        stream = sys.stdout
        view = LiveView(
            progress=progress,
            may_draw=lambda: not getattr(stream, "behind", False),
            is_answered=on_terminal(),
        )
        with unechoed(), view as live:
            yield live.show
    else:
        from rollout.views.grouped import GroupedView

        sections = sections_for(os.environ)
        grouped = GroupedView(
            sys.stdout, progress, amount=amount, is_answered=on_terminal(), sections=sections
        )
        if not isinstance(sections, GitHubSections):
            yield grouped.show
            return
        from rollout.views.annotations import Annotations, in_checkout

        annotations = Annotations(Lines(sys.stdout), in_checkout(inventory, os.environ), progress)

        def show(record: Record) -> None:
            annotations.show(record)
            grouped.show(record)

        yield show
