"""One SSH connection: opened when first needed, shared by all who want its target, reopened if it died."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from typing import Protocol, TypeVar

from paramiko import Channel, ChannelException, SSHException

from rollout.adapters.ssh import dialing
from rollout.adapters.ssh.config import JUMP_HINT, resolve
from rollout.adapters.ssh.dialing import Stream
from rollout.adapters.ssh.keepalive import keep_alive
from rollout.adapters.ssh.login import TooBusy, log_in
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.adapters.ssh.sessions import Sessions, Start, start_command
from rollout.adapters.ssh.settings import Settings
from rollout.adapters.ssh.streams import Streams
from rollout.adapters.ssh.threads import Threads
from rollout.adapters.ssh.transport import PROHIBITED, Transport, close
from rollout.deadline import look
from rollout.domain import SshTarget
from rollout.errors import HostUnreachable

T = TypeVar("T")

_RETRIES = (0.1, 0.3, 1.0)
"""Seconds to wait before each further try, when an sshd is too busy."""


class Links(Protocol):
    """The part of the pool that a link needs: the links to its jump hosts, and threads."""

    threads: Threads
    connect_timeout: float

    def link(self, target: SshTarget) -> Link: ...


class Link:
    """The connection to one target."""

    def __init__(self, target: SshTarget, links: Links) -> None:
        self._target = target
        self._links = links
        self._threads = links.threads
        self._timeout = links.connect_timeout
        self._transport: Transport | None = None
        self._opening: asyncio.Task[Transport] | None = None
        self._resolving: asyncio.Task[Settings] | None = None
        self._keeping_alive: asyncio.Task[None] | None = None
        self._closed = False
        self.sessions = Sessions(self.channel, links.threads)
        self.streams = Streams(self.channel, links.threads)

    async def open(self) -> Transport:
        """The open connection. All who wait for it share one attempt and its error. Raises NoConnection."""
        if self._transport is not None and self._transport.is_active():
            return self._transport
        if self._closed:
            raise NoConnection(HostUnreachable, "the connection has been closed")
        if self._opening is None:
            self._opening = asyncio.create_task(look(self._connect, NoConnection))
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    async def settings(self) -> Settings:
        """The settings. All who ask share one look, unless it failed. Raises NoConnection."""
        if self._resolving is None:
            work = functools.partial(self._threads.run, functools.partial(resolve, self._target))
            self._resolving = asyncio.create_task(look(work, NoConnection))
            self._resolving.add_done_callback(self._resolved)
        return await asyncio.shield(self._resolving)

    async def close(self) -> None:
        """Close the connection for good."""
        self._closed = True
        await self.sessions.close()
        await self.streams.close()
        if self._resolving is not None:
            self._resolving.cancel()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._keeping_alive is not None:
            self._keeping_alive.cancel()
        if self._transport is not None:
            await self._threads.run(self._transport.close)

    async def channel(self, start: Start) -> Channel:
        """The channel that `start` opens, on a new connection if the one at hand turns out to be dead.

        Raises ChannelException if the host says no, NoConnection.
        """
        for again in (True, False):
            transport = await self.open()
            try:
                return await self._in_time(functools.partial(start, transport, self._timeout))
            except ChannelException:
                raise
            except (SSHException, EOFError, OSError) as error:
                self._threads.start(transport.close)
                if self._transport is transport:
                    self._transport = None
                if not again:
                    why = transport.silence() or error
                    raise NoConnection(HostUnreachable, f"the connection broke: {why}") from error
        raise AssertionError

    async def order(self, command: str) -> None:
        """Run a command without waiting for a free session: sshd allows two more than `Sessions` uses."""
        transport = await self.open()
        channel = await self._in_time(functools.partial(start_command, command, transport, self._timeout))
        try:
            await self._threads.run(channel.status_event.wait)
        finally:
            self._threads.start(functools.partial(close, channel))

    async def tunnel(self, host: str, port: int) -> Channel:
        """A channel to a TCP address as seen from the host.

        Raises ChannelException, SSHException, TimeoutError: no answer is that address's fault here.
        """
        transport = await self.open()
        start = functools.partial(transport.open_tcp, host, port, timeout=self._timeout)
        return await self._threads.run(start, discard=close)

    async def _in_time(self, start: Callable[[], Channel]) -> Channel:
        async with asyncio.timeout(self._timeout):
            return await self._threads.run(start, discard=close)

    def _resolved(self, task: asyncio.Task[Settings]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._resolving = None

    def _opened(self, task: asyncio.Task[Transport]) -> None:
        self._opening = None
        if not task.cancelled() and task.exception() is None:
            self._transport = task.result()

    async def _connect(self) -> Transport:
        settings = await self.settings()
        await self._refuse_loops(settings)
        self._timeout = settings.connect_timeout or self._links.connect_timeout
        transport = await self._try_until_idle(settings)
        transport.destination = str(self._target)
        if self._keeping_alive is not None:
            self._keeping_alive.cancel()
        self._keeping_alive = asyncio.create_task(keep_alive(transport, settings, self._threads))
        return transport

    async def _try_until_idle(self, settings: Settings) -> Transport:
        """A new connection, to a server that may be too busy at first."""
        for pause in _RETRIES:
            with contextlib.suppress(TooBusy):
                return await self._attempt(settings)
            await asyncio.sleep(pause)
        try:
            return await self._attempt(settings)
        except TooBusy as error:
            raise NoConnection(HostUnreachable, str(error)) from error

    async def _attempt(self, settings: Settings) -> Transport:
        jump = await self._jump_link(settings)
        stream: Stream | None = None
        try:
            async with asyncio.timeout(self._timeout):
                stream = await self._dial(settings, jump)
                work = functools.partial(log_in, settings, stream, self._timeout, self._threads)
                return await self._threads.run(work, discard=Transport.close)
        except BaseException as error:
            if stream is not None:
                self._threads.start(stream.close)
            if isinstance(error, OSError | UnicodeError):
                raise dialing.explain(error, settings.address, self._timeout) from error
            raise

    async def _refuse_loops(self, settings: Settings) -> None:
        passed, hop = [self._target], settings.jump
        while hop is not None:
            if hop in passed:
                raise NoConnection(HostUnreachable, f"its jump hosts form a loop ({hop})", JUMP_HINT)
            passed.append(hop)
            try:
                hop = (await self._links.link(hop).settings()).jump
            except NoConnection as failure:
                raise failure.at_jump_host(str(hop)) from failure

    async def _jump_link(self, settings: Settings) -> Link | None:
        """The open connection to the jump host; `None` where there is none."""
        if settings.jump is None:
            return None
        jump = self._links.link(settings.jump)
        try:
            await jump.open()
        except NoConnection as failure:
            raise failure.at_jump_host(str(settings.jump)) from failure
        return jump

    async def _dial(self, settings: Settings, jump: Link | None) -> Stream:
        if jump is None:
            if settings.proxy_command is not None:
                return dialing.ProxyCommand(settings.proxy_command)
            return await dialing.dial_tcp(settings)
        try:
            return await jump.tunnel(settings.host, settings.port)
        except ChannelException as error:
            if error.code == PROHIBITED:
                message = f"jump host {settings.jump} does not allow forwarding ({error.text})"
                hint = "see AllowTcpForwarding and PermitOpen in its sshd_config"
                raise NoConnection(HostUnreachable, message, hint) from error
            message = f"jump host {settings.jump} cannot reach {settings.address}: {error.text}"
            raise NoConnection(HostUnreachable, message) from error
        except SSHException as error:
            raise TooBusy(f"jump host {settings.jump} hung up ({error})") from error
