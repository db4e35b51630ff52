"""Servers that answer one HTTP request as they are told, and what is made of it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

from rollout.adapters.http import HttpxClient
from rollout.domain import Answer

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def ask(
    handler: Handler | bytes,
    *,
    path: str = "/",
    address: str = "127.0.0.1",
    timeout: float = 5.0,
    method: str = "GET",
    tls: ssl.SSLContext | None = None,
    host: str | None = None,
) -> Answer:
    """The answer of a server that handles one connection, or sends these bytes once it has the request."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        assert isinstance(handler, bytes)
        writer.write(handler)
        await writer.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await (send if isinstance(handler, bytes) else handler)(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def run() -> Answer:
        server = await asyncio.start_server(serve, address, 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        name = host or (f"[{address}]" if ":" in address else address)
        scheme = "https" if tls else "http"
        probe = HttpxClient()
        try:
            return await probe.request(method, f"{scheme}://{name}:{port}{path}", timeout=timeout)
        finally:
            await probe.aclose()
            server.close()

    return asyncio.run(run())


def request(url: str, *, method: str = "GET", timeout: float = 5.0) -> Answer:
    """The answer of a URL."""

    async def run() -> Answer:
        probe = HttpxClient()
        try:
            return await probe.request(method, url, timeout=timeout)
        finally:
            await probe.aclose()

    return asyncio.run(run())


def reply(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def unused_port(address: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
