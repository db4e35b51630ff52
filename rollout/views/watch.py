"""The live table of `status --watch`: every node as it is now, and the steps of a deployment that runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rollout.decisions.node_state import NodeStatus
from rollout.decisions.progress import NodeProgress, Phase, Progress
from rollout.domain import NodeState, ServerState
from rollout.views.deployment_table import MARKS, collapsed, footer, node_cells, pause_line, upcoming
from rollout.views.live import terminal
from rollout.views.screen import Screen
from rollout.views.seen import Seen
from rollout.views.text import duration, few, printable

_STATES = {
    NodeState.READY: ("✓", "green"),
    NodeState.DRAINING: ("●", "yellow"),
    NodeState.DRAINED: ("●", "yellow"),
    NodeState.MAINT: ("●", "yellow"),
    NodeState.DOWN: ("✗", "red"),
    NodeState.UNKNOWN: ("?", "red"),
}
_BUSY = (Phase.RUNNING, Phase.FAILED, Phase.DONE)
"""The phases of a node to which something was done."""
AROUND_ROWS = 3
"""The title, the header, and the nodes that are counted."""


class _Column(NamedTuple):
    title: str
    from_width: int = 0
    """The width of a window that has room for it."""
    is_number: bool = False
    ratio: int | None = None


_COLUMNS = (
    _Column("  node"),
    _Column("state"),
    _Column("release", 60),
    _Column("sessions", 60, is_number=True),
    _Column("servers", 100),
    _Column("", ratio=1),
    _Column("time", is_number=True),
)


class WatchView:
    """A table that is redrawn five times a second, and never taller or wider than the window."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._seen: Seen | None = None
        self._screen = Screen(console or terminal(), self.render)

    def __enter__(self) -> WatchView:
        self._screen.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._screen.stop()

    def show(self, seen: Seen) -> None:
        """Show this look from now on."""
        self._seen = seen

    def render(self) -> RenderableType:
        """The table as it is now."""
        seen, now = self._seen, self._clock()
        if seen is None:
            return Group()
        width, height = self._screen.console.size
        below = list(self._below(seen, now, width))
        notes = [_line(note, "yellow") for note in seen.notes[: max(1, height // 4)]]
        room = max(1, height - len(below) - len(notes) - AROUND_ROWS)
        shown, hidden = _most_important(seen, room)
        lines: list[RenderableType] = [_line(seen.title, "bold"), self._rows(seen, shown, now, width)]
        if hidden:
            lines.append(collapsed(Phase.WAITING, f"{len(hidden)} more: {_summed(hidden)}"))
        return Padding(Group(*lines, *notes, *below), (0, 1, 0, 0))

    def _rows(self, seen: Seen, nodes: Sequence[NodeStatus], now: float, width: int) -> Table:
        """A row for each node, with the columns that the window has room for."""
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        columns = [column for column in _COLUMNS if width >= column.from_width]
        for column in columns:
            table.add_column(
                no_wrap=True,
                overflow="ellipsis",
                justify="right" if column.is_number else "left",
                ratio=column.ratio,
                max_width=None if column.ratio else max(7, width // 4),
            )
        table.add_row(*(Text(column.title, "dim") for column in columns))
        for node in nodes:
            progress = seen.running.nodes.get(node.name) if seen.running else None
            what, took = _doing(seen.running, progress, node, now)
            mark, style = _mark(node, progress)
            cells = {
                "  node": Text.assemble((mark, style), " ", printable(node.name)),
                "state": Text(node.state.value, _STATES[node.state][1]),
                "release": Text(printable((node.health and node.health.release) or "–")),
                "sessions": Text(_sessions(node.servers)),
                "servers": Text(printable(_servers(node.servers))),
                "": Text(printable(what)),
                "time": Text(took),
            }
            table.add_row(*(cells[column.title] for column in columns))
        return table

    def _below(self, seen: Seen, now: float, width: int) -> Sequence[RenderableType]:
        running = seen.running
        if running is None:
            return [_line(datetime.fromtimestamp(now).strftime("%H:%M:%S"), "dim")]
        pause = [pause_line(running, now)] if running.paused else []
        return [*upcoming(running), *pause, *footer(running, now, width)]


def _most_important(seen: Seen, room: int) -> tuple[Sequence[NodeStatus], Sequence[NodeStatus]]:
    """The nodes that there is room for, in their order, and the others: nodes that are rolled or not ready
    come before those that wait."""
    nodes = seen.status.nodes
    if len(nodes) <= room:
        return nodes, ()

    def calm(node: NodeStatus) -> bool:
        progress = seen.running.nodes.get(node.name) if seen.running else None
        busy = progress is not None and progress.phase in (Phase.RUNNING, Phase.FAILED)
        return node.state is NodeState.READY and not busy

    chosen = {node.name for node in sorted(nodes, key=calm)[:room]}
    return [n for n in nodes if n.name in chosen], [n for n in nodes if n.name not in chosen]


def _mark(node: NodeStatus, progress: NodeProgress | None) -> tuple[str, str]:
    if progress is None or progress.phase is Phase.SKIPPED:
        return _STATES[node.state]
    return MARKS[progress.phase]


def _doing(
    running: Progress | None, progress: NodeProgress | None, node: NodeStatus, now: float
) -> tuple[str, str]:
    """What is done to a node, or what is wrong with it; and for how long."""
    if running is not None and progress is not None and progress.phase in _BUSY:
        what, detail, seconds = node_cells(running, progress, now)
        text = what if not detail else f"{what} · {detail}"
        return text, "" if seconds is None else duration(seconds)
    return (node.health.detail if node.health else ""), ""


def _sessions(servers: Sequence[ServerState]) -> str:
    """The sessions of a node over all load balancers, with those that wait."""
    if not servers:
        return "–"
    queued = sum(state.queued for state in servers)
    return f"{sum(state.sessions + state.old_sessions for state in servers)}{f' +{queued}' if queued else ''}"


def _servers(servers: Sequence[ServerState]) -> str:
    """`lb1 UP · lb2 DRAIN`, or how many servers are in each state where a node has several."""
    by_balancer: dict[str, Counter[str]] = {}
    for state in servers:
        by_balancer.setdefault(state.server.load_balancer, Counter())[state.status] += 1
    return " · ".join(
        f"{name} " + ", ".join(word if n == 1 else f"{n} {word}" for word, n in states.items())
        for name, states in by_balancer.items()
    )


def _summed(nodes: Sequence[NodeStatus]) -> str:
    states = Counter(node.state.value for node in nodes)
    return ", ".join(f"{number} {state}" for state, number in states.items()) + (
        f" ({few([node.name for node in nodes])})"
    )


def _line(text: str, style: str) -> Text:
    return Text(printable(text), style, no_wrap=True, overflow="ellipsis")
