"""Health pages are asked plainly, directly and on a connection of their own, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from rollout.adapters.http import HttpxClient
from tests.support.pages import ask, reply


def test_an_answer_has_its_status_body_and_headers() -> None:
    """Header names are lower case, whatever the server writes."""
    found = ask(reply("grün".encode(), "X-Release: 1.4.2", "Content-Type: text/plain; charset=utf-8"))
    assert (found.status, found.body) == (200, "grün")
    assert found.headers["x-release"] == "1.4.2"


@pytest.mark.parametrize("status", ["204 No Content", "404 Not Found", "503 Service Unavailable", "599 x"])
def test_every_status_is_an_answer(status: str) -> None:
    """A page that says no has answered."""
    assert ask(reply(status=status)).status == int(status.split()[0])


def test_the_request_is_plain_and_asks_for_a_fresh_connection() -> None:
    """The path, the host and the method arrive as they are given; the connection is not kept."""
    seen = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(reply())

    assert ask(handler, path="/_drain?x=1", method="DELETE").status == 200
    first, *headers = seen[0].decode().lower().split("\r\n")
    assert first == "delete /_drain?x=1 http/1.1"
    assert "connection: close" in headers


def test_each_request_has_a_connection_of_its_own() -> None:
    """A kept one would go on to the old process after a restart."""

    async def run() -> int:
        connections = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            while await reader.readline():
                await reader.readuntil(b"\r\n\r\n")
                writer.write(reply(b"ok", "Connection: keep-alive"))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        probe = HttpxClient()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for _ in range(3):
            await probe.request("GET", url, timeout=5)
        await probe.aclose()
        server.close()
        return connections

    assert asyncio.run(run()) == 3


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node is asked directly: a proxy could answer in its place."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert ask(reply(b"direct")).body == "direct"


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    """A login page behind it would say 200."""
    assert ask(reply(b"", "Location: /elsewhere", status="302 Found")).status == 302


def test_an_ipv6_address() -> None:
    """In brackets, as URLs have it."""
    assert ask(reply(b"six"), address="::1").body == "six"


def test_a_compressed_body_is_read() -> None:
    """A page may be compressed although nobody asked."""
    body = gzip.compress(json.dumps({"version": "1.4.2"}).encode())
    assert json.loads(ask(reply(body, "Content-Encoding: gzip")).body) == {"version": "1.4.2"}
