"""Deadlines of a process that may sleep: stopped by Ctrl-Z, or by the lid of a laptop.

The clock of the event loop (`cli/event_loop.py`) leaves out the time for which the process slept, so no
deadline passes meanwhile. What was seen before a sleep is old all the same: whoever gives up looks once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from rollout.errors import RolloutError

T = TypeVar("T")

_LOOK = 5.0
"""Seconds that are left at least after a sleep: enough to look once more."""
_MOVES = 3
"""How often a deadline moves because of that: it passes also where the process is held up all the time."""
_ROUNDING = 1e-6
"""Seconds by which a timer may be early that was set for this moment: clocks are rounded."""


class Deadline:
    """A moment after which to give up, so many `seconds` from now by the loop's clock.

    After a sleep it is at least five seconds away.
    """

    def __init__(self, seconds: float) -> None:
        self._clock = asyncio.get_running_loop().time
        self._begun = self._clock()
        self._at = self._begun + seconds
        self._sleeps = sleeps()
        self._moves = _MOVES

    @property
    def at(self) -> float:
        """The moment, by the loop's clock."""
        after_a_look = self._clock() + _LOOK
        if (now := sleeps()) != self._sleeps and self._at < after_a_look and self._moves:
            self._moves -= 1
            self._at = after_a_look
        self._sleeps = now
        return self._at

    @property
    def left(self) -> float:
        """Seconds; negative once it has passed."""
        return self.at - self._clock()

    @property
    def passed(self) -> bool:
        return self.left <= _ROUNDING

    def postpone(self, seconds: float) -> None:
        """Give up so many seconds from the beginning, if that is later."""
        self._at = max(self.at, self._begun + seconds)


def sleeps() -> int:
    """How many times this process has slept, as far as its loop has noticed; other loops notice nothing."""
    return getattr(asyncio.get_running_loop(), "sleeps", 0)


def slept() -> float:
    """Seconds for which this process has slept: what the loop's clock leaves out."""
    return getattr(asyncio.get_running_loop(), "slept", 0.0)


async def look(ask: Callable[[], Coroutine[Any, Any, T]], failure: type[Exception] = RolloutError) -> T:
    """The answer to a question that changes nothing. If it fails after this process slept, it is asked again:
    the failure may be old, or due to the sleep."""
    before = sleeps()
    try:
        return await ask()
    except failure:
        if sleeps() == before:
            raise
    return await ask()
