"""A twin is checked on the very way of its server, or there is none: with real HAProxy."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollout.domain import CheckResult, ServerState
from rollout.haproxy_config.check_path import CheckPath, CheckPaths
from rollout.haproxy_config.configuration import read
from rollout.remote import runtime
from tests.support.balancer import Balancer, balancer
from tests.support.certificates import Authority
from tests.support.loopback import own_address
from tests.support.until import until_seen
from tests.support.visitors import Visitor

pytestmark = pytest.mark.every_haproxy

PAGE = "option httpchk GET /_check"
PASSED = CheckResult.PASSED


@dataclass
class Strict:
    """A server that answers well only to those who come as it wants them to."""

    port: int
    sources: list[str]


@asynccontextmanager
async def strict(
    host: str,
    *,
    source: str = "",
    begins: bytes = b"GET",
    has: bytes = b"",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Strict]:
    """Answers 200 to those who come from `source` and whose first bytes begin with and have these."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")[0]
        seen.sources.append(peer)
        try:
            asked = await reader.readuntil(b"\r\n\r\n")
            good = peer == (source or peer) and asked.startswith(begins) and has in asked
            writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % (200 if good else 503))
            await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    seen = Strict(0, [])
    server = await asyncio.start_server(answer, host, 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()


def path_of(lb: Balancer, backend: str = "shop") -> CheckPath | None:
    return CheckPaths(read((lb.folder / "haproxy.cfg").read_text())).of(backend, "web1")


async def state_of(lb: Balancer, *, twin: bool = False) -> ServerState:
    reading = await lb.haproxy().read()
    (state,) = reading.twins if twin else reading.servers
    return state


async def add_twin(lb: Balancer, words: Sequence[str], inter: str = "2s") -> None:
    await lb.haproxy().send(runtime.add_twin(await state_of(lb), words, inter))


async def result(lb: Balancer) -> CheckResult:
    """The result of the twin's first check."""

    async def checked() -> bool:
        return (await state_of(lb, twin=True)).check_result is not CheckResult.UNKNOWN

    await until_seen(checked, "the twin's check")
    return (await state_of(lb, twin=True)).check_result


async def remove_twin(lb: Balancer) -> None:
    await lb.haproxy().send(runtime.remove_twin((await state_of(lb)).server.twin))
    assert (await lb.haproxy().read()).twins == ()


@asynccontextmanager
async def checked_by(binary: Path, *lines: str) -> AsyncIterator[Balancer]:
    """A backend whose server's own check comes too seldom to be seen."""
    seldom = "default-server inter 60s fastinter 60s"
    async with balancer(binary, {"shop": (PAGE, seldom, *lines)}) as lb:
        yield lb


async def require_same_way(lb: Balancer) -> None:
    """The twin passes with the words of the configuration, and does not pass without them."""
    path = path_of(lb)
    assert path is not None
    await add_twin(lb, path.words)
    assert await result(lb) is PASSED
    await remove_twin(lb)
    await add_twin(lb, ())
    assert await result(lb) is CheckResult.FAILED
    await remove_twin(lb)


async def test_the_source(haproxy_binary: Path) -> None:
    """Where a firewall lets one address of the load balancer through, the twin comes from that one."""
    host, source = own_address(), own_address()
    async with (
        strict(host, source=source) as server,
        checked_by(haproxy_binary, f"server web1 {host}:{server.port} check source {source}") as lb,
    ):
        await require_same_way(lb)


async def test_the_proxy_protocol(haproxy_binary: Path) -> None:
    """A server that demands the PROXY line gets it."""
    host = own_address()
    async with (
        strict(host, begins=b"PROXY ") as server,
        checked_by(
            haproxy_binary, "default-server send-proxy", f"server web1 {host}:{server.port} check"
        ) as lb,
    ):
        await require_same_way(lb)


async def test_tls(haproxy_binary: Path, tmp_path: Path) -> None:
    """The twin encrypts, verifies and names the server as its original does; a wrong authority fails it."""
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    issued = authority.issue("server")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.certificate, issued.key)
    words = "ssl verify required verifyhost localhost check-sni localhost sni str(localhost)"
    for trusted, expected in ((authority, PASSED), (other, CheckResult.FAILED)):
        async with (
            strict("127.0.0.1", tls=tls) as server,
            checked_by(
                haproxy_binary,
                f"server web1 127.0.0.1:{server.port} check {words} ca-file {trusted.certificate}",
            ) as lb,
        ):
            path = path_of(lb)
            assert path is not None
            assert path.tls
            assert (await state_of(lb)).tls
            await add_twin(lb, path.words)
            assert await result(lb) is expected
            await remove_twin(lb)


@pytest.mark.parametrize("by_socket", [False, True])
async def test_another_address_and_port_are_checked(haproxy_binary: Path, by_socket: bool) -> None:
    """`addr` and `port` count as they are now, also where somebody has set them by the socket."""
    host, elsewhere = own_address(), own_address()
    async with strict(elsewhere) as server:
        words = "" if by_socket else f" addr {elsewhere} port {server.port}"
        async with checked_by(haproxy_binary, f"server web1 {host}:1 check{words}") as lb:
            if by_socket:
                await lb.ask(f"set server shop/web1 check-addr {elsewhere} port {server.port}")
            path = path_of(lb)
            assert path is not None
            await add_twin(lb, path.words)
            assert await result(lb) is PASSED
            await remove_twin(lb)


async def test_the_rules_of_the_check(haproxy_binary: Path) -> None:
    """The rules of the backend are the twin's, too: a page that wants its host name gets it, or fails it."""
    host = own_address()
    for name, expected in (("shop", PASSED), ("other", CheckResult.FAILED)):
        rule = f"http-check send meth GET uri /_check ver HTTP/1.1 hdr Host {name}"
        async with (
            strict(host, has=b"host: shop\r\n") as server,
            checked_by(haproxy_binary, rule, f"server web1 {host}:{server.port} check") as lb,
        ):
            await add_twin(lb, ())
            assert await result(lb) is expected
            await remove_twin(lb)


async def test_ipv6(haproxy_binary: Path) -> None:
    """An IPv6 address is written so that its port is told from it."""
    async with (
        strict("::1") as server,
        checked_by(haproxy_binary, f"server web1 [::1]:{server.port} check") as lb,
    ):
        assert ipaddress.ip_address((await state_of(lb)).address).version == 6
        await add_twin(lb, ())
        assert await result(lb) is PASSED
        await remove_twin(lb)


async def test_a_check_may_take_as_long_as_its_interval(haproxy_binary: Path) -> None:
    """Without `timeout check` the interval is the limit of a check: the twin's is its original's."""
    host = own_address()
    slow = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await slow.wait()
        writer.write(b"HTTP/1.1 200 x\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, host, 0)
    port = server.sockets[0].getsockname()[1]
    lines = (PAGE, "timeout check 0", f"server web1 {host}:{port} check inter 60s")
    async with balancer(haproxy_binary, {"shop": lines}) as lb:
        path = path_of(lb)
        assert path is not None
        assert path.inter == "60s"
        await add_twin(lb, path.words, path.inter)
        asyncio.get_running_loop().call_later(0.3, slow.set)
        assert await result(lb) is PASSED
        await remove_twin(lb)
    server.close()


async def test_no_request_and_nothing_of_it_shows(haproxy_binary: Path) -> None:
    """A twin gets no request, even where it is set ready, and is among no servers and in no state file."""
    host = own_address()
    async with (
        strict(host) as server,
        checked_by(haproxy_binary, f"server web1 {host}:{server.port} check") as lb,
    ):
        await add_twin(lb, ())
        await lb.ask("set server shop/rollout-check.web1 state ready")
        assert [state.server.name for state in (await lb.haproxy().read()).servers] == ["web1"]
        assert "rollout-check" not in await lb.haproxy().server_states()
        assert "rollout-check" in await lb.ask("show servers state")
        await lb.ask("set server shop/web1 state maint")
        assert (await Visitor(lb, "shop", fresh=True).get())[0] == 503
        assert (await state_of(lb, twin=True)).total_sessions == 0
        await remove_twin(lb)


@pytest.mark.parametrize(
    "lines",
    [
        ("cookie at insert dynamic", "dynamic-cookie-key secret"),
        ("persist rdp-cookie",),
        ("stick-table type ip size 1k srvkey addr", "stick on src"),
        ("email-alert mailers ours", "email-alert from a@b", "email-alert to c@d"),
    ],
    ids=["dynamic cookie", "rdp cookie", "stick table", "mail"],
)
def test_what_would_take_it_for_its_server(lines: tuple[str, ...]) -> None:
    """Where clients are pinned to an address, or people are mailed, there is no twin."""
    text = "\n".join(["backend shop", *lines, "server web1 10.0.0.1:80 check"])
    assert CheckPaths(read(text)).of("shop", "web1") is None
    assert CheckPaths(read("backend shop\nserver web1 10.0.0.1:80 check")).of("shop", "web1") is not None
