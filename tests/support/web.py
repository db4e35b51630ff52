"""A small HTTP application in the test's own event loop, which a test can make ill, kill and start again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support import websocket
from tests.support.loopback import own_address

PORT = 8000


@dataclass
class Page:
    """What a path answers."""

    status: int = 200
    body: str = "fine"
    headers: dict[str, str] = field(default_factory=dict)


class WebApp:
    """Answers `/` (`/?delay=0.2` later, `/hold` once `let_go` is called) and the `pages`.

    `/stream?parts=3&pause=0.5` sends its answer in parts. `/socket` is a websocket that sends back what
    comes. `PUT /_drain` and `DELETE /_drain` make `/_status` answer 404 and 200.
    """

    def __init__(self, name: str, *, port: int = PORT) -> None:
        self.name = name
        self.host = own_address()
        self.port = port
        """With 0 it gets one that is free on every address."""
        self.error_every = 0
        """Every so many answers is a 500; 0 is none."""
        self.delay = 0.0
        """Seconds that each answer takes, but for those of pages."""
        self.slow_every = 0
        """Every so many answers takes ten times as long; 0 is none."""
        self.draining_file: Path | None = None
        """While it exists, `/_status` answers 404."""
        self.up = True
        """Whether it can serve. A request for anything but a page that comes while it cannot is `early`."""
        self.pages = {"/_status": Page(), "/_check": Page()}
        self.requests: Counter[str] = Counter()
        self.early: list[str] = []
        self.cut = 0
        """Requests that were being answered when it was stopped."""
        self.starts = 0
        self.connections: set[_Connection] = set()
        self._held = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def running(self) -> int:
        """Requests being answered now, but for those to pages."""
        return sum(connection.running for connection in self.connections)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.starts += 1

    def stop(self) -> None:
        """As a kill would: no goodbye to anybody."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self.cut += self.running
        for connection in list(self.connections):
            connection.transport.abort()
        self.connections.clear()

    def let_go(self) -> None:
        """Let the requests for `/hold` be answered, those that wait and those that come."""
        self._held.set()

    async def answer(self, method: str, target: str) -> Page:
        url = urlsplit(target)
        self.requests[url.path] += 1
        if url.path == "/_drain":
            self.pages["/_status"].status = 404 if method == "PUT" else 200
            return Page()
        if url.path == "/_status" and self.draining_file is not None and self.draining_file.exists():
            return Page(404, "draining")
        if url.path in self.pages:
            return self.pages[url.path]
        if not self.up:
            self.early.append(target)
            return Page(503, "not up yet")
        slow = self.slow_every and self.requests[url.path] % self.slow_every == 0
        await asyncio.sleep(self.delay * (10 if slow else 1))
        if self.error_every and self.requests[url.path] % self.error_every == 0:
            return Page(500, "broken")
        if url.path == "/hold":
            await self._held.wait()
        for delay in parse_qs(url.query).get("delay", []):
            await asyncio.sleep(float(delay))
        return Page(200, self.name)


class _Connection(asyncio.Protocol):
    def __init__(self, app: WebApp) -> None:
        self._app = app
        self._data = b""
        self._is_websocket = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.running = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._app.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._app.connections.discard(self)
        for task in self._tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._is_websocket:
            self.transport.write(data)
            return
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, _, self._data = self._data.partition(b"\r\n\r\n")
            task = asyncio.get_running_loop().create_task(self._answer(head.decode("latin-1")))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, head: str) -> None:
        method, target, version = head.split("\r\n")[0].split(" ")
        if target == "/socket":
            self._is_websocket = True
            self.transport.write(websocket.accept(head))
            return
        counted = int(urlsplit(target).path not in self._app.pages)
        self.running += counted
        try:
            if target.startswith("/stream?"):
                await self._stream(parse_qs(urlsplit(target).query))
                return
            page = await self._app.answer(method, target)
        finally:
            self.running -= counted
        last = version == "HTTP/1.0" or "connection: close" in head.lower()
        headers = {
            "Content-Length": str(len(page.body.encode())),
            "Connection": "close" if last else "keep-alive",
            **page.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 {page.status} -\r\n{lines}\r\n{page.body}".encode())
        if last:
            self.transport.close()

    async def _stream(self, query: dict[str, list[str]]) -> None:
        self.transport.write(b"HTTP/1.1 200 -\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(int(query["parts"][0])):
            self.transport.write(b"4\r\npart\r\n")
            await asyncio.sleep(float(query["pause"][0]))
        self.transport.write(b"0\r\n\r\n")


@asynccontextmanager
async def web_app(name: str, *, port: int = PORT) -> AsyncIterator[WebApp]:
    """A running application; stopped at the end."""
    app = WebApp(name, port=port)
    await app.start()
    try:
        yield app
    finally:
        app.stop()
