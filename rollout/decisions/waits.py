"""The waits of a step: what it waited for, for whom, and how long. News in, sums out."""

from __future__ import annotations

import re
from dataclasses import dataclass

SHORTEST = 1.0
"""Seconds below which nobody asks what was waited for."""
_MOST = 5
"""Waits of one step that are told, the longest ones."""
_NUMBERS = re.compile(r"\d[\d.,:]*")


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that a step waited for, and the seconds of all times together."""

    detail: str
    seconds: float


class Waits:
    """The waits of one step, from its news. News that differ in figures alone are about one wait.

    Times are seconds on any one clock.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._details: dict[str, str] = {}
        self._current = ""
        self._since = 0.0

    def heard(self, detail: str, now: float) -> None:
        """Take the news that from `now` on the step waits for something else; for nothing, if it is empty."""
        self._add(now)
        self._current = _NUMBERS.sub("0", detail)
        self._since = now
        # The longest text of one wait says most: it names clients.
        self._details[self._current] = max(detail, self._details.get(self._current, ""), key=len)

    def longest(self, now: float) -> tuple[Wait, ...]:
        """The waits of a step that ends `now`, longest first; short ones are left out."""
        self.heard("", now)
        waits = [Wait(self._details[key], seconds) for key, seconds in self._seconds.items()]
        long = [wait for wait in waits if wait.seconds >= SHORTEST]
        return tuple(sorted(long, key=lambda wait: -wait.seconds)[:_MOST])

    def _add(self, now: float) -> None:
        if self._current:
            self._seconds[self._current] = self._seconds.get(self._current, 0.0) + now - self._since
