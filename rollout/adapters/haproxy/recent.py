"""The last readings of a load balancer, for as long as they count as begun just now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from dataclasses import dataclass

from rollout.domain import Reading, Server


@dataclass(frozen=True, slots=True)
class _Last:
    reading: Reading
    begun: float
    until: float


class Recent:
    """The last reading of everything and the last one of some servers, unless something was sent since.

    A reading counts for as long as it took: no command arrives sooner after a reading, either.
    """

    def __init__(self) -> None:
        self.changes = 0
        """How many changes have begun or ended: a reading is old if there was one since it was begun."""
        self._whole: _Last | None = None
        self._partial: _Last | None = None

    def find(self, since: float = 0.0, of: Collection[Server] | None = None) -> Reading | None:
        """The last reading that was begun after `since`: of everything, or at least of the servers `of`."""
        now = asyncio.get_running_loop().time()
        for last in (self._whole, self._partial if of is not None else None):
            if last is not None and last.begun >= since and now < last.until:
                only = last.reading.only
                if only is None or only.issuperset(of or ()):
                    return last.reading
        return None

    def note(self, reading: Reading, begun: float) -> None:
        """Note a reading that came now, and that was begun at a time on the loop's clock."""
        now = asyncio.get_running_loop().time()
        last = _Last(reading, begun, now + (now - begun))
        if reading.only is None:
            self._whole = last
        elif reading.only:
            self._partial = last

    async def changing(self, change: Awaitable[Reading]) -> None:
        """Wait for a change and the reading that comes with it. Readings that were begun before its end are
        old."""
        self._forget()
        changes, begun = self.changes, asyncio.get_running_loop().time()
        try:
            reading = await change
            alone = self.changes == changes
        finally:
            self._forget()
        if alone:
            self.note(reading, begun)

    def _forget(self) -> None:
        self.changes += 1
        self._whole = self._partial = None
