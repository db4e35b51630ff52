"""Runtime sockets that are not there, are something else, or break off: each is told in words."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rollout.adapters.haproxy import HAProxy, transport
from rollout.adapters.haproxy.transport import TcpTransport, UnixTransport
from rollout.domain import TcpSocket, UnixSocket
from rollout.errors import LoadBalancerUnreachable, NotHAProxy
from tests.support.balancer import balancer
from tests.support.until import until
from tests.support.web import PORT, web_app

pytestmark = pytest.mark.every_haproxy

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def haproxy(path: Path) -> HAProxy:
    return HAProxy("lb1", UnixTransport("lb1", UnixSocket(str(path))))


@asynccontextmanager
async def answering(path: Path, answer: Answer) -> AsyncIterator[HAProxy]:
    """What answers on a socket, whatever it is."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    async with await asyncio.start_unix_server(serve, path):
        yield haproxy(path)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example.com ESMTP\r\n")
    await reader.readline()


async def binary(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(bytes(range(256)))


@pytest.mark.parametrize("answer", [echo, greet, binary])
async def test_something_else_answers(tmp_path: Path, answer: Answer) -> None:
    """Another service's socket is told from HAProxy's, with what it said."""
    async with answering(tmp_path / "s", answer) as lb:
        with pytest.raises(NotHAProxy, match=r"^lb1: this is not HAProxy's runtime socket: it answered '.+'"):
            await lb.read()
        with pytest.raises(NotHAProxy):
            await lb.level()


async def test_a_web_server_answers() -> None:
    """An HTTP server on the TCP port is told from HAProxy's runtime socket."""

    async def bad_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.0 400 Bad request\r\nContent-Type: text/html\r\n\r\n<html>\n\n</html>")
        writer.close()

    async with web_app("web1") as app, await asyncio.start_server(bad_request, app.host, PORT + 1):
        lb = HAProxy("lb1", TcpTransport("lb1", TcpSocket(app.host, PORT + 1)))
        with pytest.raises(NotHAProxy, match=r"it answered 'HTTP/1\.0 400 Bad request") as raised:
            await lb.read()
        assert raised.value.hint == "`haproxy:` must name the path of a `stats socket` line"


async def test_nothing_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that accepts and is silent is given up after the timeout."""
    monkeypatch.setattr(transport, "TIMEOUT", 0.1)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with answering(tmp_path / "s", silent) as lb:
        with pytest.raises(LoadBalancerUnreachable, match="did not answer within"):
            await lb.read()


async def test_a_paused_haproxy_is_given_up(haproxy_binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An HAProxy that hangs is given up after the timeout, and read again once it goes on."""
    monkeypatch.setattr(transport, "TIMEOUT", 0.1)

    async with balancer(haproxy_binary, {"shop": ["server web1 127.0.0.1:1"]}) as lb:
        await lb.pause()
        try:
            with pytest.raises(LoadBalancerUnreachable, match="did not answer within"):
                await lb.haproxy().read()
        finally:
            lb.go_on()
        monkeypatch.setattr(transport, "TIMEOUT", 5)
        assert (await lb.haproxy().read()).pid == lb.pid


@pytest.mark.parametrize("kept", [0.0, 0.02, 0.2, 0.5, 0.9, 0.999])
async def test_an_answer_that_breaks_off(haproxy_binary: Path, tmp_path: Path, kept: float) -> None:
    """A reply that ends too soon, wherever it does, is no reading: HAProxy may be asked again."""
    async with balancer(haproxy_binary, {"shop": ["server web1 127.0.0.1:1"]}) as lb:
        for at_line_end in (False, True):

            async def cut(
                reader: asyncio.StreamReader,
                writer: asyncio.StreamWriter,
                at_line_end: bool = at_line_end,
            ) -> None:
                reply = (await lb.ask((await reader.readline()).decode().strip())).encode()
                reply = reply[: int(len(reply) * kept)]
                writer.write(reply[: reply.rfind(b"\n") + 1] if at_line_end else reply)

            async with answering(tmp_path / f"s{at_line_end}", cut) as half:
                with pytest.raises(LoadBalancerUnreachable, match="closed before the answer was complete"):
                    await half.read()


async def test_a_confirmation_that_breaks_off(haproxy_binary: Path, tmp_path: Path) -> None:
    """Fewer confirmations than commands are no success, nor are all without the reading after them."""
    async with balancer(haproxy_binary, {"shop": ["server web1 127.0.0.1:1"]}) as lb:
        for first, last in ((1, None), (0, 2)):

            async def part(
                reader: asyncio.StreamReader,
                writer: asyncio.StreamWriter,
                first: int = first,
                last: int | None = last,
            ) -> None:
                reply = await lb.ask((await reader.readline()).decode().strip())
                writer.write(reply[first:last].encode())

            async with answering(tmp_path / f"s{first}", part) as half:
                with pytest.raises(LoadBalancerUnreachable, match="closed before the answer was complete"):
                    await half.send(["set server shop/web1 state drain"])


async def test_the_socket_is_missing(tmp_path: Path) -> None:
    """A path where nothing is."""
    with pytest.raises(LoadBalancerUnreachable, match=f"lb1: unix://{tmp_path}/s does not exist") as raised:
        await haproxy(tmp_path / "s").read()
    assert raised.value.hint == "is HAProxy running, with this `stats socket`?"


async def test_nobody_listens(tmp_path: Path) -> None:
    """A path that a process which is gone has left behind."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))
    with pytest.raises(LoadBalancerUnreachable, match=f"nothing listens on unix://{tmp_path}/s"):
        await haproxy(tmp_path / "s").read()


async def test_the_socket_is_not_ours(tmp_path: Path) -> None:
    """A path that we may not open."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(LoadBalancerUnreachable, match="permission denied") as raised:
            await haproxy(locked / "s").read()
    finally:
        os.seteuid(user)
    assert raised.value.hint == "the `stats socket` line sets its user, group and mode"


@pytest.mark.parametrize("path", ["/" + "x" * 200, "/etc/passwd", "/"])
async def test_a_path_that_cannot_be_a_socket(path: str) -> None:
    """A path that is too long, a file, a folder."""
    with pytest.raises(LoadBalancerUnreachable, match=f"^lb1: .*unix://{path[:9]}"):
        await haproxy(Path(path)).read()


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", "a..b"])
async def test_a_tcp_port_that_is_closed(host: str) -> None:
    """A port where nobody listens, a name that nobody has, a name that is none."""
    lb = HAProxy("lb1", TcpTransport("lb1", TcpSocket(host, 1)))
    with pytest.raises(LoadBalancerUnreachable, match=f"tcp://{host}:1"):
        await lb.read()


async def test_a_full_backlog_is_waited_for(haproxy_binary: Path) -> None:
    """While HAProxy accepts nobody and its backlog is full, a query waits, and is answered in the end."""
    async with balancer(haproxy_binary, {"shop": ["server web1 127.0.0.1:1"]}) as lb:
        await lb.pause()
        crowd: list[socket.socket] = []
        try:
            full = False
            while not full:
                waiting = socket.socket(socket.AF_UNIX)
                waiting.setblocking(False)
                crowd.append(waiting)
                try:
                    waiting.connect(lb.socket().path)
                except BlockingIOError:
                    full = True
            asked = asyncio.create_task(lb.haproxy().read())
            loop = asyncio.get_running_loop()
            began = loop.time()
            await until(lambda: loop.time() - began > 0.05, "some tries")
            assert not asked.done()
        finally:
            for waiting in crowd:
                waiting.close()
            lb.go_on()
        assert (await asked).pid == lb.pid
