"""The observer of a load balancer: everyone who waits shares its readings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from rollout.domain import Reading

_PACE = 0.01
"""Seconds from one reading to the next, while somebody waits."""

_PACE_PER_SERVER = 40e-6
"""Seconds. HAProxy takes 4 µs to show a server, so readings take 10 % of one of its threads at most."""


_MOST = 3
"""Readings at once. Far away, one that has just begun need not be waited for before the next begins."""


class Observer:
    """A reader that reads only while somebody waits."""

    def __init__(self, read: Callable[[], Awaitable[Reading]]) -> None:
        self._read = read
        self._waiting: list[asyncio.Future[Reading]] = []
        self._task: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._next = 0.0
        self._pace = _PACE
        self._changes = 0
        self._last: Reading | None = None
        self._begun = 0.0
        self._until = 0.0

    async def read(self) -> Reading:
        """A reading begun after this call."""
        loop = asyncio.get_running_loop()
        reading: asyncio.Future[Reading] = loop.create_future()
        self._waiting.append(reading)
        if self._task is None:
            self._task = loop.create_task(self._serve())
        return await reading

    def recent(self, since: float = 0.0) -> Reading | None:
        """The last reading, if it was begun after `since` and nothing was changed afterwards, for as long as
        it took: no command arrives sooner after a reading, either."""
        is_recent = self._begun >= since and asyncio.get_running_loop().time() < self._until
        return self._last if is_recent else None

    async def changing(self, change: Awaitable[Reading]) -> None:
        """Wait for a change and the reading that comes with it. Readings that were begun before its end are
        old, and the next one is made at once."""
        self._forget()
        changes, begun = self._changes, asyncio.get_running_loop().time()
        try:
            reading = await change
            alone = self._changes == changes
        finally:
            self._forget()
        if alone:
            self._note(reading, begun)

    def _forget(self) -> None:
        self._next = 0.0
        self._changes += 1
        self._last = None

    def _note(self, reading: Reading, begun: float) -> None:
        now = asyncio.get_running_loop().time()
        self._last, self._begun, self._until = reading, begun, now + (now - begun)

    async def _serve(self) -> None:
        """Begin readings at their pace, as long as somebody waits for one to begin."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await asyncio.sleep(max(0.0, self._next - loop.time()))
                if len(self._under_way) == _MOST:
                    await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                waiting, self._waiting = self._waiting, []
                self._next = loop.time() + self._pace
                task = loop.create_task(self._read_for(waiting))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
        finally:
            self._task = None

    async def _read_for(self, waiting: list[asyncio.Future[Reading]]) -> None:
        changes, begun = self._changes, asyncio.get_running_loop().time()
        try:
            reading = await self._read()
        except Exception as error:  # every waiter gets it, whatever it is
            for future in _still(waiting):
                future.set_exception(error)
        else:
            self._pace = max(_PACE, _PACE_PER_SERVER * len(reading.servers))
            if self._changes == changes:
                self._note(reading, begun)
            for future in _still(waiting):
                future.set_result(reading)


def _still(waiting: list[asyncio.Future[Reading]]) -> list[asyncio.Future[Reading]]:
    """The futures whose waiter has not been cancelled."""
    return [future for future in waiting if not future.done()]
