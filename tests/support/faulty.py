"""An HTTP application that fails in every way in which one can: each path is one of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.support.loopback import own_address

PORT = 8000

_FINE = b"HTTP/1.1 200 -\r\nContent-Length: 4\r\n\r\nfine"
_ANSWERS = {
    "/": _FINE,
    "/error": b"HTTP/1.1 503 -\r\nContent-Length: 3\r\n\r\nbad",
    "/half": b"HTTP/1.1 200 -\r\nContent-Length: 8\r\n\r\nhalf",
    "/hints": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + _FINE,
    "/junk": b"no HTTP\r\n\r\n",
}


class FaultyApp:
    """Answers as the path says: `/error`, `/half` an answer, `/nothing`, …

    `/first/error` and its like do so at every other request, and are fine in between.
    """

    def __init__(self) -> None:
        self.host = own_address()
        self._asked: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(OSError, EOFError, asyncio.CancelledError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether another one may follow."""
        path = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1]
        self._asked[path] += 1
        if path.startswith("/first"):
            path = path.removeprefix("/first") if self._asked[path] % 2 else "/"
        if path == "/late":
            await asyncio.sleep(60)
        if path == "/nothing":
            writer.transport.abort()
            return False
        writer.write(_ANSWERS[path])
        await writer.drain()
        return path not in ("/half", "/junk")


@asynccontextmanager
async def faulty_app() -> AsyncIterator[FaultyApp]:
    """A running application; stopped at the end."""
    app = FaultyApp()
    server = await asyncio.start_server(app.serve, app.host, PORT)
    try:
        yield app
    finally:
        server.close()
