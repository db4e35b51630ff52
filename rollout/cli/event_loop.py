"""The event loop of every verb: its clock leaves out the time for which the process slept.

A process sleeps while it is stopped (Ctrl-Z, SIGSTOP), while the machine is suspended, or while the loop is
held up. All durations come from the loop's clock, so no time-out passes meanwhile.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_LATE = 0.25
"""Seconds by which the loop may be late before that counts as a sleep: looks are about as far apart."""
_TURN = 0.25
"""Seconds after which the loop turns at the latest, so that it notices each sleep that is longer."""
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The clock that goes on while the machine is suspended, which Linux' monotonic clock does not."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end, as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=WakingLoop) as runner:
        return runner.run(main)


class WakingLoop(asyncio.SelectorEventLoop):
    """A loop that knows when it slept. Its clock never goes back, and stands still during a sleep."""

    def __init__(self) -> None:
        self.sleeps = 0
        """How many times it has slept."""
        self.slept = 0.0
        """Seconds for which it has slept in all."""
        self._seen = _now()
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.look(0.0)

    def look(self, due: float) -> float:
        """Look at the clock, which should have moved on by `due` seconds at most since the last look."""
        now = _now()
        late = now - self._seen - due
        if late > _LATE:
            self.sleeps += 1
            self.slept += late
        self._seen = now
        return now - self.slept


class _Selector(selectors.DefaultSelector):
    """A selector that looks at the clock of its loop before and after each wait."""

    def __init__(self, loop: WakingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        due = _TURN if timeout is None else min(timeout, _TURN)
        self._loop.look(0.0)
        ready = super().select(due)
        self._loop.look(max(0.0, due))
        return ready


def _now() -> float:
    return time.clock_gettime(_CLOCK)
