"""Plain lines that are grouped by node, although several nodes may be in flight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rollout.decisions.progress import Progress
from rollout.domain import Step
from rollout.events import (
    DeploymentFinished,
    Event,
    Halted,
    HookStarted,
    NodeFailed,
    NodeFinished,
    StepFailed,
    StepFinished,
    StepStarted,
)
from rollout.views.plain import Amount, PlainView
from rollout.views.sections import Sections


class GroupedView(PlainView):
    """Writes the lines of one node as they come, and those of the others after it, node by node.

    From a halt on, all lines are written as they come: whoever halts may end the process soon.
    """

    def __init__(
        self,
        stream: TextIO,
        progress: Progress | None = None,
        *,
        amount: Amount = "usual",
        is_answered: bool = False,
        sections: Sections | None = None,
    ) -> None:
        super().__init__(stream, progress, amount=amount, is_answered=is_answered)
        self._sums_up = amount == "usual"
        self._sections = sections or Sections()
        self._groups: dict[str, list[str]] = {}
        """The nodes in flight whose lines are kept together, with the lines that wait. The first one's turn
        it is: it has none."""
        self._ended: set[str] = set()
        self._open = ""
        """The node whose section is open."""
        self._is_loose = False

    def _write(self, event: Event, lines: Sequence[str]) -> None:
        node = getattr(event, "node", None)
        if isinstance(event, StepStarted | HookStarted) and node and not self._is_loose:
            self._groups.setdefault(node, [])
            self._ended.discard(node)
        if isinstance(event, Halted | DeploymentFinished):
            self._is_loose = True
            self._write_all()
        if node not in self._groups:
            self._write_alone(lines)
            return
        if _ends(event):
            self._ended.add(node)
        if node != next(iter(self._groups)):
            self._groups[node] += lines
            return
        self._write_of(node, lines)
        while self._groups and (first := next(iter(self._groups))) in self._ended:
            self._end(first)

    def _write_of(self, node: str, lines: Sequence[str]) -> None:
        """Write lines of the node whose turn it is; the last one of a node that has ended stands outside its
        section, where it is seen."""
        inside = lines[:-1] if node in self._ended else lines
        if inside and self._open != node:
            self._close()
            self._open = node
            self._sections.open(self._lines, node)
        for line in inside:
            self._lines.write(self._sections.harmless(line))
        if len(inside) < len(lines):
            self._write_alone(lines[-1:])

    def _end(self, node: str) -> None:
        """End the turn of a node, and write what its successor has to say so far."""
        del self._groups[node]
        self._ended.discard(node)
        self._close()
        if self._groups:
            self._write_waiting()

    def _write_waiting(self) -> None:
        node = next(iter(self._groups))
        lines, self._groups[node] = self._groups[node], []
        self._write_of(node, lines)

    def _write_all(self) -> None:
        while self._groups:
            self._end(next(iter(self._groups)))

    def _write_alone(self, lines: Sequence[str]) -> None:
        if lines:
            self._close()
        for line in lines:
            self._lines.write(self._sections.harmless(line))

    def _close(self) -> None:
        if self._open:
            self._sections.close(self._lines, self._open)
            self._open = ""


def _ends(event: Event) -> bool:
    """Whether an event ends the turn of its node, or its preparation."""
    prepared = isinstance(event, StepFinished | StepFailed) and event.step is Step.PREPARE
    return prepared or isinstance(event, NodeFinished | NodeFailed)
