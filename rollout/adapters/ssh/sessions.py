"""Sessions of one connection: as many at once as its sshd allows, some of them opened ahead of their use."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

from paramiko import Channel, ChannelException, SSHException

from rollout.adapters.ssh.no_connection import NoConnection
from rollout.adapters.ssh.threads import Threads
from rollout.adapters.ssh.transport import Transport, close
from rollout.errors import HostUnreachable

_SESSIONS = 8
"""Sessions at once on one connection; sshd's own limit (`MaxSessions`) is 10 unless it is set."""

_RETRIES = (0.1, 0.3, 1.0)
"""Seconds to wait before each further try, where sshd allows no session at all."""

_ANSWER = 5.0
"""Seconds in which a connection must show that it lives, before a session started ahead is used."""

_HEARD = 5.0
"""Seconds for which a connection counts as alive after something was heard from it."""

Start = Callable[[Transport, float], Channel]
"""Opens a channel within a time in seconds. Blocks."""


class Sessions:
    """The sessions of one connection."""

    def __init__(self, channel: Callable[[Start], Awaitable[Channel]], threads: Threads) -> None:
        """`channel` opens one on the connection; raises ChannelException, NoConnection."""
        self._channel = channel
        self._threads = threads
        self._slots = asyncio.Semaphore(_SESSIONS)
        self._open = 0
        self._ahead: list[_Ahead] = []

    @contextlib.asynccontextmanager
    async def run(self, command: str, *, apart: bool = False) -> AsyncIterator[Channel]:
        """A session in which `command` has been started, its standard input still open.

        Its output and its errors are one stream, unless they are to be `apart`. Waits while too many
        sessions are open. Raises NoConnection.
        """
        channel = await (self._admitted(command, apart=True) if apart else self._started(command))
        try:
            yield channel
        finally:
            await self._close(channel)

    def expect(self, command: str, times: int) -> None:
        """Start `command` several times ahead of its use: a login shell may take long to start.

        Where that was done before, the host is asked for a sign of life, so that the use need not ask.
        """
        for ahead in self._ahead:
            if ahead.succeeded:
                self._threads.start(ahead.ask)
        while len(self._ahead) < times and not self._slots.locked():
            self._ahead.append(_Ahead(command, asyncio.create_task(self._admitted(command))))

    async def close(self) -> None:
        """End the sessions that were started ahead and not used."""
        while self._ahead:
            ahead = self._ahead.pop()
            ahead.starting.cancel()
            await asyncio.wait([ahead.starting])
            if ahead.succeeded:
                await self._close(ahead.starting.result())

    async def _started(self, command: str) -> Channel:
        if not self._ahead or self._ahead[0].command != command:
            await self.close()
            return await self._admitted(command)
        ahead = self._ahead.pop(0)
        try:
            await asyncio.wait([ahead.starting])
            alive = ahead.succeeded and await self._threads.run(ahead.lives)
        except asyncio.CancelledError:
            self._ahead.append(ahead)  # so that it is ended with the others
            raise
        if alive:
            return ahead.starting.result()
        if ahead.succeeded:
            await self._close(ahead.starting.result())
        return await self._admitted(command)

    async def _admitted(self, command: str, *, apart: bool = False) -> Channel:
        start = functools.partial(start_command, command, apart=apart)
        pauses = iter(_RETRIES)
        while True:
            await self._slots.acquire()
            self._open += 1
            try:
                return await self._channel(start)
            except BaseException as error:
                self._open -= 1
                if isinstance(error, ChannelException) and self._open:
                    continue  # sshd allows fewer sessions than were tried: the others' slots are enough
                self._slots.release()
                if not isinstance(error, ChannelException):
                    raise
                pause = next(pauses, None)
                if pause is None:
                    message = f"its sshd allows no session ({error.text})"
                    hint = "see MaxSessions in its sshd_config"
                    raise NoConnection(HostUnreachable, message, hint) from error
            await asyncio.sleep(pause)  # a session that was just closed may not yet be forgotten

    async def _close(self, channel: Channel) -> None:
        try:
            await self._threads.run(functools.partial(close, channel))
        finally:
            self._open -= 1
            self._slots.release()


class _Ahead:
    """A session that was started ahead of its use."""

    def __init__(self, command: str, starting: asyncio.Task[Channel]) -> None:
        self.command = command
        self.starting = starting

    @property
    def succeeded(self) -> bool:
        done = self.starting.done() and not self.starting.cancelled()
        return done and self.starting.exception() is None

    def ask(self) -> None:
        """Ask the host for a sign of life, and do not wait for it."""
        with contextlib.suppress(SSHException, EOFError, OSError):
            cast(Transport, self.starting.result().get_transport()).ask()

    def lives(self) -> bool:
        """Whether the session and its connection are still alive. Blocks for a round trip, unless something
        was heard just now."""
        channel = self.starting.result()
        transport = cast(Transport, channel.get_transport())
        heard = time.monotonic() - transport.heard_at < _HEARD
        try:
            return not channel.closed and (heard or transport.answers(_ANSWER)) and not channel.closed
        except (SSHException, EOFError, OSError):  # it broke while it was asked
            return False


def start_command(command: str, transport: Transport, timeout: float, *, apart: bool = False) -> Channel:
    """A session in which `command` runs, its streams as one unless `apart`.

    Raises ChannelException, SSHException.
    """
    channel = transport.open("session", timeout=timeout)
    channel.set_combine_stderr(not apart)
    channel.exec_command(command)
    return channel
