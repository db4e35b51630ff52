"""Transports to a runtime socket: one question and its whole answer, on a connection of its own.

A connection that is kept would stay on the old process after a reload and keep that process alive.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

from rollout.domain import TcpSocket, UnixSocket
from rollout.errors import HostError, LoadBalancerUnreachable

TIMEOUT = 10.0
"""Seconds for one question and its answer: a loaded HAProxy may take a few."""

_LIMIT = 1 << 20
"""Bytes of an answer that are taken at once, and before reading pauses. With thousands of servers, asyncio's
own limit would pause it a dozen times."""

_BACKLOG_PAUSE = 0.01
"""Seconds between two tries to connect to a socket whose backlog is full."""


class Transport(Protocol):
    """A way to reach a runtime socket."""

    async def ask(self, request: bytes) -> bytes:
        """The whole answer to `request`, until the other side closes. Raises LoadBalancerUnreachable."""
        ...

    def renew(self) -> None:
        """Use no connection that is open already: HAProxy was reloaded, it seems."""
        ...


class StreamQuery(Protocol):
    """A host through which a UNIX socket can be reached."""

    async def stream_query(self, path: str, request: bytes, timeout: float) -> bytes:
        """The whole answer to `request` from the socket at `path`. Raises HostError.

        `timeout` is in seconds.
        """
        ...

    def renew(self, path: str) -> None:
        """Use no connection to the socket that is open already."""
        ...


class UnixTransport:
    """A runtime socket on this machine."""

    def __init__(self, load_balancer: str, address: UnixSocket) -> None:
        self._load_balancer = load_balancer
        self._address = address

    async def ask(self, request: bytes) -> bytes:
        loop, pieces = asyncio.get_running_loop(), list[bytes]()
        try:
            # asyncio's streams would cost three times as much. A master answers until its side is the last
            # one that is open.
            async with asyncio.timeout(TIMEOUT):
                with await self._connect() as connection:
                    await loop.sock_sendall(connection, request)
                    connection.shutdown(socket.SHUT_WR)
                    while piece := await loop.sock_recv(connection, _LIMIT):
                        pieces.append(piece)
        except (OSError, TimeoutError) as error:
            raise unreachable(self._load_balancer, str(self._address), error) from error
        return b"".join(pieces)

    def renew(self) -> None:
        """Do nothing: each question opens its own connection."""

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
                reader, writer = await asyncio.open_connection(
                    self._address.host, self._address.port, limit=_LIMIT
                )
                return await _exchange(reader, writer, request)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise unreachable(self._load_balancer, str(self._address), error) from error

    def renew(self) -> None:
        """Do nothing: each question opens its own connection."""


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
            # The host has the name of the load balancer: once is enough.
            message = str(error).removeprefix(f"{self._load_balancer}: ")
            raise LoadBalancerUnreachable(self._load_balancer, message, hint=error.hint) from error

    def renew(self) -> None:
        self._host.renew(self._path)


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    try:
        writer.write(request)
        # A master answers until its side is the last one that is open.
        writer.write_eof()
        await writer.drain()
        return await reader.read()
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
