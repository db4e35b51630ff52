"""Clients of a load balancer that count every request they lose."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.support.balancer import Balancer


class Visitor:
    """One client: keeps its connection, unless `fresh`, and its cookie."""

    def __init__(self, balancer: Balancer, backend: str, *, fresh: bool = False) -> None:
        self._at = (balancer.host, balancer.port(backend))
        self._fresh = fresh
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.cookie = ""

    async def get(self, target: str = "/") -> tuple[int, str]:
        """Status and body. Raises OSError or EOFError when the connection breaks."""
        kept = False
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._at)
        reader, writer = self._streams
        try:
            cookie = f"Cookie: {self.cookie}\r\n" if self.cookie else ""
            writer.write(f"GET {target} HTTP/1.1\r\nHost: shop\r\n{cookie}\r\n".encode())
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            if "set-cookie" in headers:
                self.cookie = headers["set-cookie"].partition(";")[0]
            chunked = headers.get("transfer-encoding") == "chunked"
            body = (
                await _chunks(reader)
                if chunked
                else await reader.readexactly(int(headers.get("content-length", 0)))
            )
            measured = chunked or "content-length" in headers
            kept = not self._fresh and headers.get("connection") != "close" and measured
            return int(first.split(" ")[1]), body.decode()
        finally:
            if not kept:
                self.close()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """A body that comes in parts."""
    body = b""
    while size := int(await reader.readline() or b"broken", 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


class Seen:
    """What all visitors of a crowd saw."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        """Good answers, by the application that gave them."""
        self.lost: list[str] = []

    @property
    def total(self) -> int:
        return self.answers.total()


@asynccontextmanager
async def crowd(
    balancer: Balancer,
    backend: str,
    *,
    size: int = 4,
    target: str | Sequence[str] = "/",
    pause: float = 0.01,
    fresh: bool = False,
) -> AsyncIterator[Seen]:
    """`size` visitors who ask without end, `pause` seconds between two requests: without one, they would take
    all of a core. They share several targets out."""
    targets = itertools.cycle([target] if isinstance(target, str) else target)
    seen = Seen()
    ending = asyncio.Event()

    async def visit(target: str) -> None:
        visitor = Visitor(balancer, backend, fresh=fresh)
        try:
            while not ending.is_set():
                try:
                    status, body = await visitor.get(target)
                except (OSError, EOFError, ValueError) as error:
                    seen.lost.append(repr(error))
                else:
                    if status == 200:
                        seen.answers[body] += 1
                    else:
                        seen.lost.append(f"{status} {body}")
                await asyncio.sleep(pause)
        finally:
            visitor.close()

    visitors = [asyncio.create_task(visit(next(targets))) for _ in range(size)]
    try:
        yield seen
    finally:
        ending.set()
        await asyncio.gather(*visitors)
