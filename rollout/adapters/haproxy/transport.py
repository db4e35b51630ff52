"""Transports to a runtime socket: one question and its whole answer, on a connection of its own.

A connection that is kept stays on the old process after a reload and keeps that process alive, so whoever
reads a stream must end it then.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from rollout.domain import TcpSocket, UnixSocket
from rollout.errors import ForwardingForbidden, HostError, LoadBalancerUnreachable, NoStream

TIMEOUT = 10.0
"""Seconds for one question and its answer: a loaded HAProxy may take a few."""

SILENCE = 1.0
"""Seconds without a line, after which whoever reads a stream may see if it is still the right one."""

_PIECE = 65536
"""Bytes that are read at once."""

_BACKLOG_PAUSE = 0.01
"""Seconds between two tries to connect to a socket whose backlog is full."""


class Transport(Protocol):
    """A way to reach a runtime socket."""

    async def ask(self, request: bytes) -> bytes:
        """The whole answer to `request`, until the other side closes. Raises LoadBalancerUnreachable."""
        ...

    def stream(self, request: bytes) -> AsyncGenerator[bytes, None]:
        """The answer to `request` as it comes, with an empty piece after each second of silence.

        It ends when the other side closes or the connection breaks. Raises LoadBalancerUnreachable, NoStream.
        """
        ...


class StreamQuery(Protocol):
    """A host through which a UNIX socket can be reached."""

    def stream(self, path: str, request: bytes) -> AsyncGenerator[bytes, None]:
        """The answer to `request` from the socket at `path`, piece by piece. Raises HostError."""
        ...

    async def stream_query(self, path: str, request: bytes, timeout: float) -> bytes:
        """The whole answer to `request` from the socket at `path`. Raises HostError.

        `timeout` is in seconds.
        """
        ...


class UnixTransport:
    """A runtime socket on this machine."""

    def __init__(self, load_balancer: str, address: UnixSocket) -> None:
        self._load_balancer = load_balancer
        self._address = address

    async def ask(self, request: bytes) -> bytes:
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_unix_connection(sock=await self._connect())
                return await _exchange(reader, writer, request)
        except (OSError, TimeoutError) as error:
            raise unreachable(self._load_balancer, str(self._address), error) from error

    async def stream(self, request: bytes) -> AsyncGenerator[bytes, None]:
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_unix_connection(sock=await self._connect())
        except (OSError, TimeoutError) as error:
            raise unreachable(self._load_balancer, str(self._address), error) from error
        async with aclosing(_pieces(reader, writer, request)) as pieces:
            async for piece in pieces:
                yield piece

    async def _connect(self) -> socket.socket:
        """A connected socket. A full backlog says EAGAIN, which asyncio's own connect takes for success."""
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.setblocking(False)
            try:
                connection.connect(self._address.path)
            except BlockingIOError:
                connection.close()
                await asyncio.sleep(_BACKLOG_PAUSE)
            except OSError:
                connection.close()
                raise
            else:
                return connection


class TcpTransport:
    """A runtime socket that listens on TCP."""

    def __init__(self, load_balancer: str, address: TcpSocket) -> None:
        self._load_balancer = load_balancer
        self._address = address

    async def ask(self, request: bytes) -> bytes:
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_connection(self._address.host, self._address.port)
                return await _exchange(reader, writer, request)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise unreachable(self._load_balancer, str(self._address), error) from error

    async def stream(self, request: bytes) -> AsyncGenerator[bytes, None]:
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_connection(self._address.host, self._address.port)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise unreachable(self._load_balancer, str(self._address), error) from error
        async with aclosing(_pieces(reader, writer, request)) as pieces:
            async for piece in pieces:
                yield piece


class SshTransport:
    """A runtime socket on another machine, by way of that host."""

    def __init__(self, load_balancer: str, host: StreamQuery, path: str) -> None:
        self._load_balancer = load_balancer
        self._host = host
        self._path = path

    async def ask(self, request: bytes) -> bytes:
        try:
            return await self._host.stream_query(self._path, request, TIMEOUT)
        except HostError as error:
            raise self._unreachable(error) from error

    async def stream(self, request: bytes) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self._host.stream(self._path, request)) as pieces:
                async for piece in pieces:
                    yield piece
        except ForwardingForbidden as error:
            raise NoStream(self._load_balancer, self._message(error), hint=error.hint) from error
        except HostError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: HostError) -> LoadBalancerUnreachable:
        return LoadBalancerUnreachable(self._load_balancer, self._message(error), hint=error.hint)

    def _message(self, error: HostError) -> str:
        # The host has the name of the load balancer: once is enough.
        return str(error).removeprefix(f"{self._load_balancer}: ")


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    try:
        writer.write(request)
        # A master answers until its side is the last one that is open.
        writer.write_eof()
        await writer.drain()
        return await reader.read()
    finally:
        writer.close()


async def _pieces(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> AsyncGenerator[bytes, None]:
    """What comes after `request`. The writing side stays open: HAProxy ends a stream when it is closed."""
    try:
        writer.write(request)
        while True:
            try:
                async with asyncio.timeout(SILENCE):
                    piece = await reader.read(_PIECE)
            except TimeoutError:
                yield b""
            else:
                if not piece:
                    return
                yield piece
    except OSError:
        return
    finally:
        writer.close()


def unreachable(load_balancer: str, address: str, error: Exception) -> LoadBalancerUnreachable:
    """The error to raise for a connection that failed."""
    hint = None
    match error:
        case FileNotFoundError():
            what = f"{address} does not exist"
            hint = "is HAProxy running, with this `stats socket`?"
        case PermissionError():
            what = f"{address}: permission denied"
            hint = "the `stats socket` line sets its user, group and mode"
        case ConnectionRefusedError():
            what = f"nothing listens on {address}"
            hint = "is HAProxy running?"
        case TimeoutError():
            what = f"{address} did not answer within {TIMEOUT:.0f} s"
        case _:
            what = f"{address}: {error}"
    return LoadBalancerUnreachable(load_balancer, what, hint=hint)
