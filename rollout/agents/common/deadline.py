"""Deadlines by the monotonic clock, and waiting until one of them."""

from __future__ import annotations

import time
from typing import Callable, NamedTuple


def after(seconds: float) -> Deadline:
    """The deadline in that many seconds."""
    return Deadline(time.monotonic() + seconds)


def before(timeout: float, reserve: float = 2.0) -> Deadline:
    """The deadline of an agent that the other side stops waiting for after `timeout` seconds.

    `reserve` is how many seconds earlier the agent gives up, so that it can undo what it began and say why it
    failed. Half of a short time-out remains for the work itself.
    """
    return after(max(timeout - reserve, timeout / 2))


class Deadline(NamedTuple):
    """A moment, in seconds of the monotonic clock."""

    at: float

    @property
    def left(self) -> float:
        """Seconds until the deadline; negative once it has passed."""
        return self.at - time.monotonic()

    @property
    def passed(self) -> bool:
        return self.left <= 0

    def or_after(self, seconds: float) -> Deadline:
        """This deadline, or the one in that many seconds if that is sooner."""
        return min(self, after(seconds))

    def wait_for(
        self, condition: Callable[[], bool], every: float = 0.05, between: Callable[[], None] = lambda: None
    ) -> bool:
        """Check `condition` `every` so many seconds until it is true; return whether it became
        true.

        The condition is looked at once even if the deadline has passed. `between` is called before each
        pause; what it raises ends the wait.
        """
        while not condition():
            if self.passed:
                return False
            between()
            time.sleep(every)
        return True
