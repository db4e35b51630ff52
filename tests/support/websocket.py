"""A websocket, as much of it as a load balancer sees: the handshake, and bytes that go both ways."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept(head: str) -> bytes:
    """The answer to a client's handshake."""
    key = re.search(r"^sec-websocket-key: (\S+)", head, re.MULTILINE | re.IGNORECASE)
    assert key is not None, head
    proof = base64.b64encode(hashlib.sha1((key[1] + _GUID).encode()).digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {proof}\r\n\r\n"
    ).encode()


class WebSocket:
    """A client that is connected. `name` is its address and port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        host, port = writer.get_extra_info("sockname")
        self.name = f"{host}:{port}"

    async def echo(self, text: str) -> str:
        """What comes back. Raises EOFError once it was closed."""
        frame = b"\x81" + bytes([len(text)]) + text.encode()
        self._writer.write(frame)
        return (await self._reader.readexactly(len(frame)))[2:].decode()

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def websocket(host: str, port: int, *, cookie: str = "") -> AsyncIterator[WebSocket]:
    """One to `/socket`; closed at the end."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        key = base64.b64encode(b"0123456789abcdef").decode()
        writer.write(
            f"GET /socket HTTP/1.1\r\nHost: shop\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nCookie: {cookie}\r\n\r\n".encode()
        )
        answered = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert answered.startswith("HTTP/1.1 101 "), answered
        yield WebSocket(reader, writer)
    finally:
        writer.close()
