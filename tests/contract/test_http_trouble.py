"""Whatever is on the other side of a health page, nothing but an answer or ProbeFailed comes back."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rollout.adapters.http import HttpxClient
from rollout.errors import NobodyListens, RequestFailed
from tests.support.pages import Handler, ask, reply, request, unused_port


def test_a_refused_connection_is_told_apart() -> None:
    """Nothing listens there yet, so asking again at once costs nothing: by IPv4 and by IPv6."""
    for address, host in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")):
        with pytest.raises(NobodyListens, match=r"^connection refused$"):
            request(f"http://{host}:{unused_port(address)}/")


def test_a_name_of_several_addresses_that_all_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address is tried; that all refuse is a refused connection too."""
    port = unused_port()
    six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0))
    four = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [six, four])
    with pytest.raises(NobodyListens):
        request(f"http://web1.test:{port}/")


def test_a_reset_connection() -> None:
    """The server dies while it answers."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with pytest.raises(RequestFailed) as caught:
        ask(handler)
    assert str(caught.value)
    assert not isinstance(caught.value, NobodyListens)


def slow(*pieces: bytes, pause: float) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return handler


def test_a_server_that_never_answers() -> None:
    """It is given up after the timeout, which is named."""
    with pytest.raises(RequestFailed, match=r"^no answer within 0\.2 s$"):
        ask(slow(b"", pause=60), timeout=0.2)


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_answers_in_drips(first: bytes) -> None:
    """The timeout is for the whole answer: a byte now and then does not make it longer."""
    begun = time.monotonic()
    with pytest.raises(RequestFailed, match=r"no answer within 0\.3 s"):
        ask(slow(first, *(b"x" for _ in range(200)), pause=0.05), timeout=0.3)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\0" * 100,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 200_000,
        reply(b"not gzip", "Content-Encoding: gzip"),
    ],
)
def test_broken_http(said: bytes) -> None:
    """What is no whole answer is none."""
    with pytest.raises(RequestFailed):
        ask(said)


@pytest.mark.parametrize(
    "charset", ["utf-16", "latin-1", "nonsense", "hex", "rot13", "undefined", "idna", "punycode", '"', "\xff"]
)
def test_any_charset(charset: str) -> None:
    """A page may claim any encoding, even one that is none: the answer counts, or it failed in words."""
    with suppress(RequestFailed):
        assert ask(reply(b"\xff\xfe\x80ok", f"Content-Type: text/plain; charset={charset}")).status == 200


def test_a_huge_body_is_not_swallowed() -> None:
    """A page of a gigabyte is read no further than a health page can be long."""
    sent = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while sent < 1_000_000_000:
            writer.write(b"x" * 100_000)
            sent += 100_000
            await writer.drain()

    found = ask(handler)
    assert found.status == 200
    assert len(found.body) < 2_000_000
    assert sent < 100_000_000


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody vouches for."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    make: list[str | Path] = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    named: list[str | Path] = ["-subj", "/CN=localhost", "-days", "1", "-keyout", key, "-out", certificate]
    subprocess.run([*make, *named], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(certificate), Path(key))
    return context


def test_a_certificate_that_nobody_vouches_for(tls: ssl.SSLContext) -> None:
    """The reason is told as one of TLS."""
    with pytest.raises(RequestFailed, match=r"^TLS: .*certificate"):
        ask(reply(), tls=tls, host="localhost")


def test_https_to_a_port_that_speaks_plain_http() -> None:
    """The wrong scheme in the inventory is told as such."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        async def run() -> None:
            loop = asyncio.get_running_loop()
            server.setblocking(False)
            probe = HttpxClient()
            asking = asyncio.ensure_future(probe.request("GET", f"https://127.0.0.1:{port}/", timeout=5))
            connection, _ = await loop.sock_accept(server)
            with connection:
                await loop.sock_sendall(connection, reply(b"plain", status="400 Bad Request"))
                with pytest.raises(RequestFailed, match=r"^TLS: "):
                    await asking
            await probe.aclose()

        asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/path",
        "web1:8000",
        "ftp://127.0.0.1/",
        "http://",
        "http://:8000/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:port/",
        "http://[::1/",
        "http://[fe80::1%none]:1/",
        "http://256.256.256.256/",
        "http://a..b/",
        "http://" + "a" * 300 + "/",
        "http://" + "a" * 64 + ".test/",
        "http://☃.test:1/",
        "http://xn--/",
        "http://no such host/",
        "http://nothing.invalid/",
        "http://127.0.0.1:1/\0",
        "http://127.0.0.1:1/\ud800",
        "http://\ud800/",
        "http://127.0.0.1:1/" + "x" * 70_000,
        "{host}",
    ],
)
def test_a_url_that_leads_nowhere(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but ProbeFailed comes of it, with words."""
    look_up = socket.getaddrinfo

    def no_name_is_known(host: Any, port: Any, *hints: int) -> Any:
        """As the real one, which must see what is no name at all, but nothing is asked of a name server."""
        family, kind, protocol, flags = (*hints, 0, 0, 0, 0)[:4]
        return look_up(host, port, family, kind, protocol, flags | socket.AI_NUMERICHOST)

    monkeypatch.setattr(socket, "getaddrinfo", no_name_is_known)
    with pytest.raises(RequestFailed) as caught:
        request(url)
    assert str(caught.value).strip()


@pytest.mark.parametrize("method", ["", "GET /", "G\r\nX: y"])
def test_a_method_that_is_none(method: str) -> None:
    """It is not sent, and cannot smuggle a header."""
    with pytest.raises(RequestFailed):
        ask(reply(), method=method)


async def test_cancelling_is_not_a_failed_probe() -> None:
    """Who gives the waiting up gets what they asked for, at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = HttpxClient()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        asking = asyncio.ensure_future(probe.request("GET", url, timeout=60))
        done, _ = await asyncio.wait([asking], timeout=0.05)
        assert not done
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await probe.aclose()
