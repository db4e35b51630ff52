"""A host over SSH: shell lines, and UNIX sockets on it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shlex
from collections.abc import AsyncIterator, Callable, Iterator

from paramiko import Channel, ChannelException, SSHException

from rollout.adapters.shell import (
    CHUNK,
    GRACE,
    LATE,
    PATIENCE,
    QUIET,
    WRAPPER,
    Printed,
    ShellHost,
    completed,
    ended,
)
from rollout.adapters.ssh.link import Link
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.adapters.ssh.relay import EXPLAIN, answer, explained, relay
from rollout.adapters.ssh.threads import Threads
from rollout.adapters.ssh.transport import broken, close
from rollout.domain import Completed
from rollout.errors import AnswerLost, CommandTimedOut, HostError, NotRun

_UNANSWERED = "before the answer came"


class SshHost(ShellHost):
    """Implements `Host` for a machine that is reached over SSH.

    A command's `timeout` begins when its session is open: at most eight run at once on a connection.
    """

    def __init__(self, name: str, link: Link, threads: Threads) -> None:
        self._name = name
        self._link = link
        self._threads = threads
        self._sockets_forbidden = False

    @property
    def name(self) -> str:
        return self._name

    async def connect(self) -> None:
        """Open the connection, as `Host.connect` says."""
        with self._named():
            await self._link.open()

    def expect(self, lines: int) -> None:
        """Start shells ahead of their use, as `Host.expect` says."""
        self._link.sessions.expect(_login_command(WRAPPER), lines)

    async def _run(
        self,
        wrapper: str,
        written: AsyncIterator[bytes],
        timeout: float,
        output: Callable[[str], None] | None,
    ) -> Completed:
        printed = Printed(output)
        with self._named():
            async with self._link.sessions.run(_login_command(wrapper)) as channel:
                writing = asyncio.create_task(self._write(channel, written))
                try:
                    async with asyncio.timeout(timeout):
                        await self._read(channel, printed)
                        await self._threads.run(channel.status_event.wait)
                        await ended(writing)
                except BaseException as error:
                    writing.cancel()
                    await self._end(channel, printed.process)
                    if isinstance(error, TimeoutError):
                        message = f"the command did not end within {timeout:g} s, and rollout tried to end it"
                        raise CommandTimedOut(self._name, message) from None
                    raise
        if channel.exit_status < 0:
            raise AnswerLost(self._name, broken(channel, "while the command ran"))
        return completed(self._name, channel.exit_status, printed)

    async def stream_query(self, path: str, request: bytes, timeout: float) -> bytes:
        """The answer to `request` from a UNIX socket on the host, up to its end.

        sshd itself connects to the socket; where that is not allowed, a program on the host does. `timeout`
        is in seconds. Raises HostError, CommandTimedOut, AnswerLost, and the errors of `connect`.
        """
        with self._named():
            await self._link.open()
            try:
                async with asyncio.timeout(timeout):
                    return await self._query(path, request)
            except TimeoutError:
                message = f"{path} did not answer within {timeout:g} s"
                raise CommandTimedOut(self._name, message) from None

    def renew(self, path: str) -> None:
        """Use no connection to the socket that is open already."""
        self._link.streams.renew(path)

    async def _query(self, path: str, request: bytes) -> bytes:
        if not self._sockets_forbidden:
            try:
                channel = await self._link.streams.open(path)
            except ChannelException:
                # sshd answers the same if it may not connect or cannot. If a program can, sshd may not.
                given = await self._relay(path, request)
                self._sockets_forbidden = await self._refuses(path)
                return given
            try:
                return await self._ask(_converse_once, channel, request)
            except BaseException:
                self._threads.start(functools.partial(close, channel))
                raise
        return await self._relay(path, request)

    async def _refuses(self, path: str) -> bool:
        try:
            channel = await self._link.streams.open(path)
        except ChannelException:
            return True
        self._threads.start(functools.partial(close, channel))
        return False

    async def _relay(self, path: str, request: bytes) -> bytes:
        async with self._link.sessions.run(f"exec {shlex.join(relay(path))}", apart=True) as channel:
            printed = await self._ask(_converse, channel, request)
            await self._threads.run(channel.status_event.wait)
        if channel.exit_status < 0:
            raise AnswerLost(self._name, broken(channel, _UNANSWERED))
        given = answer(printed)
        if given is None:
            raise NotRun(self._name, channel.exit_status, printed.decode(errors="replace").splitlines())
        if channel.exit_status != 0:
            raise await self._explained(path)
        return given

    async def _ask(
        self, converse: Callable[[Channel, bytes], bytes], channel: Channel, request: bytes
    ) -> bytes:
        try:
            return await self._threads.run(functools.partial(converse, channel, request))
        except (SSHException, EOFError, OSError) as error:
            raise AnswerLost(self._name, broken(channel, _UNANSWERED, error)) from error

    async def _explained(self, path: str) -> HostError:
        """The error of a socket that cannot be reached, with its reason as seen on the host."""
        completed = await self.run(EXPLAIN, environment={"ROLLOUT_SOCKET": path}, timeout=10.0)
        message, hint = explained(path, completed.tail)
        return HostError(self._name, message, hint=hint)

    async def _write(self, channel: Channel, written: AsyncIterator[bytes]) -> None:
        try:
            async for data in written:
                await self._threads.run(functools.partial(_send_all, channel, data))
        except (OSError, EOFError, SSHException):
            pass  # it has ended already; its status will tell
        finally:
            self._threads.start(functools.partial(_shut, channel))

    async def _read(self, channel: Channel, printed: Printed) -> None:
        """Read until the stream ends, or is silent although the command has ended."""
        clock = asyncio.get_running_loop().time
        end_seen: float | None = None
        while end_seen is None or clock() - end_seen < PATIENCE:
            quiet = LATE if printed.process is None else QUIET
            data = await self._threads.run(functools.partial(_receive, channel, quiet))
            if not data:
                return
            printed.feed(data)
            if end_seen is None and channel.exit_status_ready():
                end_seen = clock()

    async def _end(self, channel: Channel, group: int | None) -> None:
        """End a command: closing its channel does not, so its process group gets SIGTERM, then SIGKILL."""
        with contextlib.suppress(TimeoutError, NoConnection, SSHException, EOFError, OSError):
            async with asyncio.timeout(4 * GRACE):
                for name in ("TERM", "KILL"):
                    if group is None or channel.closed:
                        return
                    await self._link.order(f"exec sh -c 'kill -s {name} -- -{group}'")
                    if await self._threads.run(functools.partial(channel.status_event.wait, GRACE)):
                        return

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except NoConnection as failure:
            raise failure.of(self._name) from failure.__cause__


def _login_command(wrapper: str) -> str:
    """The command that the login shell is given to become `sh -c wrapper`."""
    return f"exec sh -c {shlex.quote(wrapper)}"


def _send(channel: Channel, text: bytes) -> None:
    with contextlib.suppress(OSError, EOFError, SSHException):  # it has ended already; its status will tell
        channel.sendall(text)
        channel.shutdown_write()


def _send_all(channel: Channel, data: bytes) -> None:
    while data:
        with contextlib.suppress(TimeoutError):  # of the reader, which shares the channel's time-out
            data = data[channel.send(data) :]


def _shut(channel: Channel) -> None:
    with contextlib.suppress(OSError, EOFError, SSHException):
        channel.shutdown_write()


def _receive(channel: Channel, quiet: float) -> bytes:
    channel.settimeout(quiet)
    while True:
        try:
            return channel.recv(CHUNK)
        except TimeoutError:
            # Whatever the command printed comes before its status, perhaps both since the time-out.
            if channel.exit_status_ready() and not channel.recv_ready():
                return b""


def _converse(channel: Channel, request: bytes) -> bytes:
    _send(channel, request)
    answer = b"".join(iter(functools.partial(channel.recv, CHUNK), b""))
    if not channel.eof_received:
        raise EOFError("end of file")
    return answer


def _converse_once(channel: Channel, request: bytes) -> bytes:
    try:
        return _converse(channel, request)
    finally:
        close(channel)
