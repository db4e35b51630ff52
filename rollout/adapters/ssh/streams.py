"""Channels to UNIX sockets on one host. Far away, the next one is opened while the last one is in use.

Else each question would take two round trips: one for its channel, one for its answer.
"""

from __future__ import annotations

import asyncio
import functools
from collections import defaultdict
from collections.abc import Awaitable, Callable

from paramiko import Channel

from rollout.adapters.ssh.sessions import Start
from rollout.adapters.ssh.threads import Threads
from rollout.adapters.ssh.transport import close

_FAR = 0.02
"""Seconds that opening a channel takes, from which on the next one is opened ahead."""
_AHEAD = 2
"""Channels ahead: a node's steps and its guard ask at the same time."""
_FRESH = 3.0
"""How many times as long a channel waits for its use, at most. It leads to the HAProxy process that ran when
it was opened, and must not keep that process alive."""


class Streams:
    """The channels of one connection to UNIX sockets on its host."""

    def __init__(self, channel: Callable[[Start], Awaitable[Channel]], threads: Threads) -> None:
        """`channel` opens one on the connection; raises ChannelException, NoConnection."""
        self._channel = channel
        self._threads = threads
        self._took: dict[str, float] = {}
        """Seconds that opening the last channel took, by the path of its socket."""
        self._ahead: defaultdict[str, list[asyncio.Task[Channel]]] = defaultdict(list)
        """The channels that wait for their use, or are being opened, oldest first."""

    async def open(self, path: str) -> Channel:
        """A channel to the socket at `path`. Raises ChannelException, NoConnection."""
        channel = await self._opened_ahead(path) or await self._open(path)
        self._open_ahead(path)
        return channel

    def renew(self, path: str) -> None:
        """Close the channels that were opened ahead to the socket at `path`, and open others."""
        waiting = self._ahead[path]
        if waiting:
            for task in [*waiting]:
                self._discard(waiting, task)
            self._open_ahead(path)

    async def close(self) -> None:
        """Close the channels that were opened ahead and not used."""
        for waiting in self._ahead.values():
            for task in [*waiting]:
                task.cancel()
                self._discard(waiting, task)
                await asyncio.wait([task])

    def _open_ahead(self, path: str) -> None:
        while self._took[path] > _FAR and len(self._ahead[path]) < _AHEAD:
            task = asyncio.create_task(self._open(path))
            self._ahead[path].append(task)
            asyncio.get_running_loop().call_later(
                _FRESH * self._took[path], self._discard, self._ahead[path], task
            )

    async def _open(self, path: str) -> Channel:
        clock = asyncio.get_running_loop().time
        begun = clock()
        channel = await self._channel(lambda transport, timeout: transport.open_unix(path, timeout=timeout))
        self._took[path] = clock() - begun
        return channel

    async def _opened_ahead(self, path: str) -> Channel | None:
        """The oldest channel that was opened ahead and is still open; `None` if there is none."""
        waiting = self._ahead[path]
        while waiting:
            task = waiting[0]
            await asyncio.wait([task])
            if task not in waiting:
                continue
            if (channel := _opened(task)) and not (channel.closed or channel.eof_received):
                waiting.remove(task)
                return channel
            self._discard(waiting, task)
        return None

    def _discard(self, waiting: list[asyncio.Task[Channel]], task: asyncio.Task[Channel]) -> None:
        """Close a channel that is not used, as soon as it is open."""
        if task in waiting:
            waiting.remove(task)
            task.add_done_callback(self._close)

    def _close(self, task: asyncio.Task[Channel]) -> None:
        if channel := _opened(task):
            self._threads.start(functools.partial(close, channel))


def _opened(task: asyncio.Task[Channel]) -> Channel | None:
    """The channel that a task has opened; `None` if it failed."""
    return None if task.cancelled() or task.exception() is not None else task.result()
