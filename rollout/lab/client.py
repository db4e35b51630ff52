"""A keep-alive HTTP/1.1 client for the lab's own application.

It is small rather than complete: at 300 requests a second a general client takes half a core, which the lab's
applications need. It sends a request once, so that failures are counted and not hidden by a retry.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

_IDLE = 5.0  # far below HAProxy's own limit, so that it never closes a connection just as it is used again


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used: float = 0.0


class Client:
    """A client of one address. It opens as many connections as it needs at a time, and uses them again."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: list[_Connection] = []

    async def get(self, target: str) -> tuple[int, str]:
        """The status and the body of an answer.

        Raises OSError or EOFError if the connection breaks, ValueError if the answer is not HTTP.
        """
        connection = self._take() or _Connection(*await asyncio.open_connection(self._host, self._port))
        kept = False
        try:
            connection.writer.write(f"GET {target} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
            head = (await connection.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            length = int(headers.get("content-length", -1))
            body = await (connection.reader.readexactly(length) if length >= 0 else connection.reader.read())
            kept = length >= 0 and headers.get("connection") != "close"
            return int(first.split()[1]), body.decode()
        except IndexError:
            raise ValueError("not an HTTP answer") from None
        finally:
            if kept:
                connection.used = asyncio.get_running_loop().time()
                self._idle.append(connection)
            else:
                connection.writer.close()

    def close(self) -> None:
        """Close the idle connections."""
        for connection in self._idle:
            connection.writer.close()
        self._idle.clear()

    def _take(self) -> _Connection | None:
        """The idle connection that was used last; `None` if none still lives."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if now - connection.used < _IDLE and not connection.reader.at_eof():
                return connection
            connection.writer.close()
        return None
