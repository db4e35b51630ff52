"""Health pages are asked plainly, directly and on a connection of their own, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from rollout.adapters.closed_ports import ClosedPorts
from rollout.adapters.http import HttpxClient
from rollout.domain import Answer
from rollout.errors import NobodyListens, RequestFailed
from tests.support.loopback import own_address
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


def test_a_port_that_opens_is_asked_again() -> None:
    """A port that has refused a request is only knocked on, until somebody listens there."""

    async def run() -> tuple[list[bytes], Answer]:
        asked: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if request := await reader.readline():
                asked.append(request)
                writer.write(reply(b"started"))
            writer.close()

        address, client = own_address(), HttpxClient()
        url = f"http://{address}:8000/"
        for _ in range(3):
            with pytest.raises(NobodyListens):
                await client.request("GET", url, timeout=5)
        async with await asyncio.start_server(serve, address, 8000):
            answer = await client.request("GET", url, timeout=5)
        with pytest.raises(NobodyListens):
            await client.request("GET", url, timeout=5)
        await client.aclose()
        return asked, answer

    asked, answer = asyncio.run(run())
    assert (asked, answer.body) == ([b"GET / HTTP/1.1\r\n"], "started")


def test_what_is_wrong_is_said_by_the_request() -> None:
    """A port that refused the last request, and whose host is not found now, fails as it would at first."""

    async def run() -> str:
        ports = ClosedPorts()
        ports.note("http://no.such.host.invalid:8000/")
        await ports.require_open("http://no.such.host.invalid:8000/")
        with pytest.raises(RequestFailed) as failed:
            await HttpxClient().request("GET", "http://no.such.host.invalid:8000/", timeout=5)
        return str(failed.value)

    assert "refused" not in asyncio.run(run())
