"""The observer of a load balancer: one task reads, and everyone who waits shares its readings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from rollout.domain import Reading

_PACE = 0.01
"""Seconds from one reading to the next, while somebody waits."""

_PACE_PER_SERVER = 40e-6
"""Seconds. HAProxy takes 4 µs to show a server, so readings take 10 % of one of its threads at most."""


class Observer:
    """A reader that reads only while somebody waits."""

    def __init__(self, read: Callable[[], Awaitable[Reading]]) -> None:
        self._read = read
        self._waiting: list[asyncio.Future[Reading]] = []
        self._task: asyncio.Task[None] | None = None
        self._next = 0.0

    async def read(self) -> Reading:
        """A reading begun after this call."""
        loop = asyncio.get_running_loop()
        reading: asyncio.Future[Reading] = loop.create_future()
        self._waiting.append(reading)
        if self._task is None:
            self._task = loop.create_task(self._serve())
        return await reading

    def hurry(self) -> None:
        """Make the next reading at once, because something was changed."""
        self._next = 0.0

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await asyncio.sleep(max(0.0, self._next - loop.time()))
                waiting, self._waiting = self._waiting, []
                begun = loop.time()
                self._next = begun + _PACE
                try:
                    reading = await self._read()
                except Exception as error:  # every waiter gets it, whatever it is
                    for future in _still(waiting):
                        future.set_exception(error)
                else:
                    self._next = begun + max(_PACE, _PACE_PER_SERVER * len(reading.servers))
                    for future in _still(waiting):
                        future.set_result(reading)
        finally:
            self._task = None


def _still(waiting: list[asyncio.Future[Reading]]) -> list[asyncio.Future[Reading]]:
    """The futures whose waiter has not been cancelled."""
    return [future for future in waiting if not future.done()]
