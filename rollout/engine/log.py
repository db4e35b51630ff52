"""Where the engine tells what it does. Each telling is an event: in the journal first, then on the screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rollout.domain import Step
from rollout.errors import AnswerLost, ChangedByOthers, CommandTimedOut, RolloutError, StepFailure
from rollout.events import (
    CommandSent,
    Event,
    OutputSeen,
    Progressed,
    StepFailed,
    StepFinished,
    StepStarted,
    Warned,
)

Recorder = Callable[[Event], None]


class StepLog:
    """What one step of one node tells. `detail` ends up in the step's last event."""

    def __init__(self, record: Recorder, node: str, step: Step) -> None:
        self._record = record
        self._node = node
        self._step = step
        self._told: dict[str, tuple[str, int | None]] = {}
        self._sessions: dict[str, tuple[int, str]] = {}
        self.detail = ""

    def add(self, detail: str) -> None:
        """What the step's last event says besides what it says already."""
        self.detail = f"{self.detail}, {detail}" if self.detail else detail

    def sent(self, target: str, line: str) -> None:
        """Before a line is sent: from here on its outcome is unknown until it is observed."""
        self._record(CommandSent(self._node, self._step, target, line))

    def output(self, text: str) -> None:
        """A line that a command printed."""
        self._record(OutputSeen(self._node, self._step, text))

    def progress(self, detail: str, sessions: int | None = None, *, of: str = "") -> None:
        """What is waited for, told when it changes: `of` tells apart what is waited for at the same time."""
        if self._told.get(of) != (detail, sessions):
            self._told[of] = (detail, sessions)
            self._record(Progressed(self._node, self._step, detail, sessions))

    def warn(self, message: str) -> None:
        """What does not end the step, but should be known."""
        self._record(Warned(message, self._node))

    def sessions(self, load_balancer: str, sessions: int, holders: str = "") -> None:
        """How many sessions a load balancer still shows, and whose; 0 is drained."""
        self._sessions[load_balancer] = (sessions, holders)
        told = [
            f"{name} {f'{count} left{whose}' if count else 'drained'}"
            for name, (count, whose) in self._sessions.items()
        ]
        self.progress(", ".join(told), sum(count for count, _ in self._sessions.values()))


@asynccontextmanager
async def step(record: Recorder, node: str, which: Step) -> AsyncIterator[StepLog]:
    """A step, from its start in the journal to its outcome there. Lets every error pass."""
    clock = asyncio.get_running_loop().time
    log = StepLog(record, node, which)
    begun = clock()
    record(StepStarted(node, which))
    try:
        yield log
    except asyncio.CancelledError:
        record(StepFailed(node, which, clock() - begun, "interrupted", unknown=True))
        raise
    except RolloutError as error:
        record(
            StepFailed(
                node,
                which,
                clock() - begun,
                str(error),
                hint=error.hint,
                tail=error.tail if isinstance(error, StepFailure) else (),
                unknown=isinstance(error, AnswerLost | CommandTimedOut),
                changed_by_others=isinstance(error, ChangedByOthers),
            )
        )
        raise
    record(StepFinished(node, which, clock() - begun, log.detail))
