"""A deployment as a table on a terminal: a row per node in flight, what comes next, and how far it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rollout.decisions.progress import NodeProgress, Phase, Progress
from rollout.domain import Step
from rollout.events import Sampled, StepFailed
from rollout.views.deployment_words import PAST
from rollout.views.ending import fate
from rollout.views.text import change, duration, few, how_to_continue, printable, waits_for

MARKS = {
    Phase.WAITING: ("·", "dim"),
    Phase.RUNNING: ("●", "cyan"),
    Phase.DONE: ("✓", "green"),
    Phase.FAILED: ("✗", "red"),
    Phase.SKIPPED: ("·", "dim"),
}

_COMMAND = re.compile(r"`[^`]*` (?=exited with|did not|was )")
"""A command at the beginning of a reason: the row of its node has no room for it."""


def node_rows(progress: Progress, nodes: Iterable[NodeProgress], now: float, width: int) -> Table:
    """A row for each of these nodes: its step or its end, details, and how long that has taken."""
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=width // 3)
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=width // 4)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(no_wrap=True, justify="right")
    for node in nodes:
        mark, style = MARKS[node.phase]
        what, detail, seconds = node_cells(progress, node, now)
        table.add_row(
            Text.assemble((mark, style), " ", printable(node.name)),
            Text(printable(what), style="" if node.phase is Phase.RUNNING else style),
            Text(printable(detail)),
            Text(duration(seconds) if seconds is not None else ""),
        )
    return table


def node_cells(progress: Progress, node: NodeProgress, now: float) -> tuple[str, str, float | None]:
    """The cells of a node after its name: its present or last step, details, and the seconds that it took."""
    if node.phase is Phase.DONE:
        steps = " · ".join(f"{PAST[step]} {duration(took)}" for step, took in node.step_seconds.items())
        return change(node, progress.release_of(node.name)), steps, node.seconds
    if failure := node.failure:
        detail = f"{cause(failure)} · {fate(node, balanced=progress.balanced)}"
        return f"{failure.step} failed", detail, failure.seconds
    since = None if node.step_started is None else now - node.step_started
    detail = waits_for(node.detail, node.sessions)
    if node.step is Step.BAKE and since is not None and progress.bake:
        detail = " · ".join(filter(None, [_bake(progress.bake, since), detail]))
    return str(node.step or node.phase), detail, since


def cause(failure: StepFailed) -> str:
    """Why a step failed, in a few words: what the node said last, and not the command that said it."""
    reason = _COMMAND.sub("", failure.reason)
    said = next((line.strip() for line in reversed(failure.tail) if line.strip()), "")
    return f"{said} ({reason})" if said and reason != failure.reason else reason


def collapsed(phase: Phase, text: str) -> Text:
    """A line that stands for many nodes."""
    mark, style = MARKS[phase]
    return Text.assemble((mark, style), " ", printable(text), no_wrap=True, overflow="ellipsis")


def upcoming(progress: Progress) -> Iterator[Text]:
    """The nodes whose turn is still to come, and what the next one waits for; the skipped ones."""
    if names := progress.names(Phase.WAITING):
        if progress.halted is not None:
            text = f"{few(names)} ({len(names)} will not start)"
        elif progress.paused:
            text = f"{few(names)} ({len(names)} waiting for the end of the pause)"
        else:
            others = f", then {few(names[1:])}" if len(names) > 1 else ""
            text = f"next: {names[0]}{_when(progress, names[0])}{others} ({len(names)} waiting)"
        yield collapsed(Phase.WAITING, text)
    if names := progress.names(Phase.SKIPPED):
        yield collapsed(Phase.SKIPPED, f"{few(names)} ({len(names)} skipped)")


def footer(progress: Progress, now: float, width: int) -> Iterator[RenderableType]:
    """How far the deployment is; then the clock, its whole time, and what users got from each release."""
    parts = [f"{progress.done} of {progress.total}"]
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if progress.running and progress.halted is not None:
        parts.append(f"halted, {len(progress.names(Phase.RUNNING))} in flight")
    left = progress.seconds_left(now) if progress.running else None
    if left:
        parts.append(f"about {_roughly(left)} left{' after the pause' if progress.paused else ''}")
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_row(
        ProgressBar(total=max(1, progress.total), completed=progress.done, width=max(10, width // 2 - 8)),
        Text(" · ".join(parts), no_wrap=True, overflow="ellipsis"),
    )
    yield line
    took = progress.seconds if progress.seconds is not None else now - (progress.begun or now)
    clock = datetime.fromtimestamp(now).strftime("%H:%M:%S")
    sample = progress.so_far
    told = [clock, f"{duration(took)} so far", *(_failed(sample) if sample else ())]
    calm = sample is None or not (sum(sample.errors) or sample.by_haproxy)
    yield Text(printable(" · ".join(told)), "dim" if calm else "", no_wrap=True, overflow="ellipsis")


def pause_line(progress: Progress, now: float, *, is_answered: bool = False) -> Text:
    """Why the deployment is paused, for how long, and how it continues."""
    since = progress.pauses[-1][0] if progress.pauses else now
    how = how_to_continue(progress, is_answered=is_answered)
    text = f"paused for {duration(now - since)}: {progress.paused}; {how}"
    return Text(printable(text), "bold yellow", no_wrap=True, overflow="ellipsis")


def _bake(target: float, since: float) -> str:
    if since < target:
        return f"{duration(target - since)} left of {duration(target)}"
    return f"longer than {duration(target)}"


def _failed(sample: Sampled) -> Iterator[str]:
    """The requests of each release that failed so far, and those that no server answered."""
    for release, requests, errors in zip(sample.releases, sample.requests, sample.errors, strict=True):
        yield f"{errors:,} of {requests:,} failed on {release}"
    if sample.by_haproxy:
        yield f"{sample.by_haproxy:,} failed by HAProxy itself"


def _when(progress: Progress, name: str) -> str:
    """What a node waits for that is next."""
    running = progress.names(Phase.RUNNING)
    if not running:
        return ""
    order = [node.name for node in progress.nodes.values() if node.phase is not Phase.SKIPPED]
    place = order.index(name)
    if place == progress.canary:
        return f" once the canary {few(order[:place])} is done"
    if place in accumulate(progress.waves):
        return " once this wave is done"
    return f" once {running[0] if len(running) == 1 else 'one of them'} is done"


def _roughly(seconds: float) -> str:
    return f"{5 * max(1, round(seconds / 5))} s" if seconds < 57.5 else f"{round(seconds / 60)} min"


def in_sight(progress: Progress, room: int, *, width: int, now: float) -> Sequence[RenderableType]:
    """The rows of a deployment in at most so many lines: the nodes that failed or are in flight, then those
    that were done last; what has no room is counted."""
    busy = progress.names(Phase.FAILED) + progress.names(Phase.RUNNING)
    done = progress.names(Phase.DONE)
    newest = done[max(0, len(done) - max(0, room - len(busy))) :]
    shown = {*busy[:room], *newest}
    lines: list[RenderableType] = []
    if hidden := len(done) - len(newest):
        lines.append(collapsed(Phase.DONE, f"{hidden} done"))
    lines.append(node_rows(progress, [n for n in progress.nodes.values() if n.name in shown], now, width))
    if hidden := len(busy[room:]):
        lines.append(collapsed(Phase.RUNNING, f"{hidden} more in flight or failed"))
    return [*lines, *upcoming(progress)]
