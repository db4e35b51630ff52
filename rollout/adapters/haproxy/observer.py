"""The observers of a load balancer: everyone who waits shares their readings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from rollout.adapters.haproxy.recent import Recent
from rollout.domain import Reading, Server

_PACE = 0.01
"""Seconds from one reading to the next, while somebody waits."""

_PACE_PER_SERVER = 40e-6
"""Seconds. HAProxy takes 4 µs to show a server, so readings take 10 % of one of its threads at most."""


_MOST = 3
"""Readings at once. Far away, one that has just begun need not be waited for before the next begins."""

_Waiting = list[tuple[asyncio.Future[Reading], frozenset[Server]]]
"""Those who wait for a reading, and the servers that they want to see."""


class Observer:
    """A reader that reads only while somebody waits. `read` is given the servers that somebody wants to
    see."""

    def __init__(self, read: Callable[[frozenset[Server]], Awaitable[Reading]], recent: Recent) -> None:
        self._read = read
        self._recent = recent
        self._waiting: _Waiting = []
        self._task: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._next = 0.0
        self._pace = _PACE
        self._changes = 0

    async def read(self, servers: frozenset[Server] = frozenset()) -> Reading:
        """A reading begun after this call."""
        loop = asyncio.get_running_loop()
        reading: asyncio.Future[Reading] = loop.create_future()
        self._waiting.append((reading, servers))
        if self._task is None:
            self._task = loop.create_task(self._serve())
        return await reading

    async def _serve(self) -> None:
        """Begin readings at their pace, as long as somebody waits for one to begin; after a change, the next
        one at once."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                if self._changes == self._recent.changes:
                    await asyncio.sleep(max(0.0, self._next - loop.time()))
                else:
                    await asyncio.sleep(0)
                if len(self._under_way) == _MOST:
                    await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                waiting, self._waiting = self._waiting, []
                self._next = loop.time() + self._pace
                self._changes = self._recent.changes
                task = loop.create_task(self._read_for(waiting))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
        finally:
            self._task = None

    async def _read_for(self, waiting: _Waiting) -> None:
        changes, begun = self._recent.changes, asyncio.get_running_loop().time()
        try:
            reading = await self._read(frozenset[Server]().union(*(servers for _, servers in waiting)))
        except Exception as error:  # every waiter gets it, whatever it is
            for future in _still(waiting):
                future.set_exception(error)
        else:
            self._pace = max(_PACE, _PACE_PER_SERVER * len(reading.servers))
            if self._recent.changes == changes:
                self._recent.note(reading, begun)
            for future in _still(waiting):
                future.set_result(reading)


def _still(waiting: _Waiting) -> list[asyncio.Future[Reading]]:
    """The futures whose waiter has not been cancelled."""
    return [future for future, _ in waiting if not future.done()]
