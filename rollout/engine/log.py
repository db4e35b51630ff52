"""The log of a step: everything that it records is an event, first in the journal and then on the screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, runtime_checkable

from rollout.decisions.judge import Judgement
from rollout.decisions.waits import Waits
from rollout.domain import Step
from rollout.errors import (
    AnswerLost,
    ChangedByOthers,
    CommandTimedOut,
    Fallen,
    RolloutError,
    StepFailure,
)
from rollout.events import (
    INTERRUPTED,
    CommandSent,
    Event,
    OpinionHeard,
    OutputSeen,
    Progressed,
    StepFailed,
    StepFinished,
    StepStarted,
    Waited,
    Warned,
)

Recorder = Callable[[Event], None]
"""Takes every event of a deployment, in order."""


@runtime_checkable
class KeepingRecorder(Protocol):
    """A recorder that keeps events on a disk."""

    async def written(self, node: str = "") -> None:
        """Wait until all events are on disk, or never will be; and until others know what they must before
        `node` is touched."""
        ...


async def until_written(record: Recorder, node: str = "") -> None:
    """Wait until everything is on disk that must stand there before what comes next is tried, on `node` if
    there is one."""
    if isinstance(record, KeepingRecorder):
        await record.written(node)


class StepLog:
    """The log of one step of one node.

    `detail` is what the step's last event says about it.
    """

    def __init__(self, record: Recorder, node: str, step: Step) -> None:
        self._record = record
        self._node = node
        self.step = step
        self._waiting_for: dict[str, tuple[str, int | None]] = {}
        self._sessions: dict[str, tuple[int, str]] = {}
        self._waits = Waits()
        self._clock = asyncio.get_running_loop().time
        self.detail = ""

    def add(self, detail: str) -> None:
        """Add to what the step's last event says."""
        self.detail = f"{self.detail}, {detail}" if self.detail else detail

    def sent(self, target: str, line: str) -> None:
        """Record a line before it is sent: from here on its outcome is unknown until it is observed."""
        self._record(CommandSent(self._node, self.step, target, line))

    async def written(self) -> None:
        """Wait until all that was recorded is on disk."""
        await until_written(self._record, self._node)

    def output(self, text: str) -> None:
        """Record a line that a command printed."""
        self._record(OutputSeen(self._node, self.step, text))

    def progress(self, detail: str, sessions: int | None = None, *, of: str = "") -> None:
        """Record what the step waits for, if that changed. `of` keeps apart things waited for at once."""
        if self._waiting_for.get(of) != (detail, sessions):
            self._waiting_for[of] = (detail, sessions)
            self._waits.heard(detail, self._clock())
            self._record(Progressed(self._node, self.step, detail, sessions))

    def opinion(self, source: str, reply: str, reason: str, *, shadow: bool) -> None:
        """Record a reply of something that is asked about the node."""
        self._record(OpinionHeard(self._node, source, reply, reason, shadow))

    def judged(self, judgement: Judgement) -> None:
        """Record how the node was judged."""
        self._record(judgement.of([self._node]))

    def ended(self) -> None:
        """Record what the step has waited for. News of waits may be lost, and stay on this machine."""
        for wait in self._waits.longest(self._clock()):
            self._record(Waited(self._node, self.step, wait.detail, wait.seconds))

    def warn(self, message: str) -> None:
        """Record something that does not end the step, but that people should know."""
        self._record(Warned(message, self._node))

    def sessions(self, load_balancer: str, sessions: int, clients: str = "") -> None:
        """Record how many sessions a load balancer still shows, and of which `clients`; 0 is drained."""
        self._sessions[load_balancer] = (sessions, clients)
        by_load_balancer = [
            f"{name} {f'{count} left{whose}' if count else 'drained'}"
            for name, (count, whose) in self._sessions.items()
        ]
        self.progress(", ".join(by_load_balancer), sum(count for count, _ in self._sessions.values()))


_ACTING = (Step.DRAIN, Step.READY)
"""The steps in which something happens that is not a command of the node, each of which waits for the disk
itself."""


BeginStep = Callable[[], AbstractAsyncContextManager[StepLog]]
"""A context for a step that begins where there is something to do."""


@asynccontextmanager
async def step(record: Recorder, node: str, which: Step) -> AsyncIterator[StepLog]:
    """A context for one step, from its start in the journal to its outcome there. Errors are recorded and
    raised again. What must stand on disk before the step acts is there."""
    clock = asyncio.get_running_loop().time
    log = StepLog(record, node, which)
    begun = clock()
    record(StepStarted(node, which))
    try:
        if which in _ACTING:
            await until_written(record, node)
        yield log
    except asyncio.CancelledError:
        log.ended()
        record(StepFailed(node, which, clock() - begun, INTERRUPTED, unknown=True))
        raise
    except RolloutError as error:
        log.ended()
        record(failed(node, which, clock() - begun, error))
        raise
    log.ended()
    record(StepFinished(node, which, clock() - begun, log.detail))


def failed(node: str, which: Step, seconds: float, error: RolloutError) -> StepFailed:
    """The event for a step that failed after `seconds`."""
    return StepFailed(
        node,
        which,
        seconds,
        str(error),
        hint=error.hint,
        tail=error.tail if isinstance(error, StepFailure) else (),
        unknown=isinstance(error, AnswerLost | CommandTimedOut),
        changed_by_others=isinstance(error, ChangedByOthers),
        fell=isinstance(error, Fallen),
    )
