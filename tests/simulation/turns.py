"""Each node's way, as the journal tells it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rollout.domain import Step
from rollout.events import (
    CommandSent,
    NodeFailed,
    NodeFinished,
    NodeReturned,
    Record,
    StepFailed,
    StepFinished,
    StepStarted,
)


@dataclass
class Turn:
    """One node's."""

    begun: bool = False
    deployment: int = 0
    epoch: int = 0
    """The epoch of the lock in which it began."""
    step: Step | None = None
    left_at: float = -1.0
    leaving: bool = False
    back_at: float = -1.0
    ended: str = ""
    """`finished`, `returned` or `left out`; `past` if another deployment has begun since it was back."""

    @property
    def is_back(self) -> bool:
        """The engine has put it back, and nothing else has been told of it since."""
        return self.ended == "finished" or (self.step is Step.BAKE and not self.ended)

    @property
    def out(self) -> bool:
        """The engine may have taken it out."""
        return self.left_at >= 0 and self.ended in ("", "left out")


class Turns:
    """A fold over the records, and what they say was sent."""

    def __init__(self, nodes: Iterable[str]) -> None:
        self.names = tuple(nodes)
        self._turns = {name: Turn() for name in self.names}
        self._sent: dict[str, dict[str, None]] = {}

    def __getitem__(self, node: str) -> Turn:
        return self._turns[node]

    def tells_of(self, target: str, line: str) -> bool:
        """Whether the journal has a word of this line, which may be a part of what it says was sent."""
        return any(f"; {line}; " in f"; {sent}; " for sent in self._sent.get(target, ()))

    def another_begins(self) -> None:
        """Another deployment: what the one before it put back is no more its business."""
        for turn in self._turns.values():
            if turn.is_back:
                turn.ended = "past"

    def recorded(self, record: Record) -> None:
        match record.event:
            case StepStarted(node=name, step=step):
                turn = self._turns[name]
                turn.step = step
                turn.leaving = step is Step.DRAIN
                if step is not Step.PREPARE:
                    turn.begun, turn.ended = True, ""
                    turn.deployment, turn.epoch = record.deployment, record.epoch
            case StepFinished(node=name) | StepFailed(node=name):
                self._turns[name].step = None
                if record.event.step is Step.READY:
                    self._turns[name].back_at = record.time
            case CommandSent(node=name, target=target, line=line):
                self._sent.setdefault(target, {})[line] = None
                turn = self._turns[name]
                if turn.leaving:
                    turn.leaving, turn.left_at = False, record.time
            case NodeFinished(node=name) | NodeReturned(node=name):
                self._turns[name].ended = "finished"
            case NodeFailed(node=name, left_out=left_out):
                self._turns[name].ended = "left out" if left_out else "returned"
