"""The `HAProxy` load balancer against real ones: what it reads, what it sends, and every refusal."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from rollout.adapters.haproxy import HAProxy
from rollout.adapters.haproxy.transport import TcpTransport, UnixTransport
from rollout.domain import (
    AdminState,
    CheckResult,
    OperationalState,
    Reading,
    Server,
    ServerState,
    TcpSocket,
    UnixSocket,
)
from rollout.engine.waiting import read_patiently
from rollout.errors import CommandRejected
from tests.support.balancer import TCP_SOCKET_PORT, Balancer, balancer
from tests.support.shop import CHECKED, shop
from tests.support.until import until, until_seen
from tests.support.visitors import Visitor

pytestmark = pytest.mark.every_haproxy

PLAIN = {"shop": ("server web1 127.0.0.1:1", "server web2 127.0.0.1:2")}


def version_of(binary: Path) -> str:
    return subprocess.run([binary, "-v"], capture_output=True, text=True).stdout.split()[2]


async def servers(lb: HAProxy) -> dict[str, ServerState]:
    return {state.server.path: state for state in (await lb.read()).servers}


async def test_every_field_of_a_server_is_read(haproxy_binary: Path) -> None:
    """A reading tells the process, and of each server its address, states, weights, check and sessions."""
    version = version_of(haproxy_binary)

    backends = {
        "shop": (*CHECKED[:2], "server web1 {web1} weight 30", "server web2 {web2} weight 7 backup"),
        "api": ("server web1 {web1} track shop/web1", "server web2 {web2} agent-check agent-port 1"),
    }
    async with shop(haproxy_binary, backends) as here:
        app, lb = here.apps["web1"], here.haproxies["lb1"]
        slow = asyncio.create_task(Visitor(here.balancers[0], "shop").get("/hold"))
        await until(lambda: app.running == 1, "the slow request")
        await lb.send(["set server shop/web1 weight 15", "set server api/web2 state drain"])
        reading = await lb.read()
        assert (reading.load_balancer, reading.version) == ("lb1", version)
        assert reading.pid == here.balancers[0].pid
        assert 0 <= reading.uptime < 60
        seen = {state.server.path: state for state in reading.servers}
        assert list(seen) == ["shop/web1", "shop/web2", "api/web1", "api/web2"]
        web1 = seen["shop/web1"]
        assert web1.server == Server("lb1", "shop", "web1")
        assert (web1.address, web1.port) == (app.host, app.port)
        assert (web1.status, web1.admin, web1.operational) == ("UP", 0, OperationalState.RUNNING)
        assert (web1.sessions, web1.queued, web1.busy_connections) == (1, 0, 1)
        assert (web1.weight, web1.configured_weight, web1.backup) == (15, 30, False)
        assert (web1.checked, web1.check_status, web1.check_health) == (True, "L7OK", 2)
        # While a check runs, HAProxy shows no result.
        assert web1.check_result in (CheckResult.PASSED, CheckResult.UNKNOWN)
        assert (web1.agent_checked, web1.tracks, web1.total_sessions) == (False, "", 1)
        assert web1.in_rotation
        assert not web1.idle
        assert seen["shop/web2"].backup
        assert seen["shop/web2"].idle
        assert seen["api/web1"].tracks == "shop/web1"
        assert not seen["api/web1"].checked
        assert seen["api/web2"].agent_checked
        assert seen["api/web2"].admin is AdminState.FORCED_DRAIN
        app.let_go()
        await slow


@pytest.mark.parametrize(
    ("command", "level", "message"),
    [
        ("set server shop/nope state drain", "admin", "No such server"),
        ("set server nope/web1 state drain", "admin", "No such"),
        ("set server shop/web1 state drain", "operator", "Permission denied"),
        ("set server shop/web1 state drain", "user", "Permission denied"),
        ("frobnicate", "admin", "Unknown command"),
        ("set server shop/tracker health up", "admin", "cannot change health on a tracking server"),
        ("set server shop/web1 state sideways", "admin", "set server"),
        ("shutdown sessions server shop/nope", "admin", "No such server"),
    ],
)
async def test_a_refusal_is_an_error(haproxy_binary: Path, command: str, level: str, message: str) -> None:
    """What HAProxy refuses is raised with the command and its own words, also amid commands that work."""
    fine = "set server shop/web2 weight 1"

    servers_too = ("server checked 127.0.0.1:3 check", "server tracker 127.0.0.1:3 track shop/checked")
    async with balancer(haproxy_binary, {"shop": (*PLAIN["shop"], *servers_too)}) as lb:
        for line in ([command], [fine, command, fine] if level == "admin" else [command, command]):
            with pytest.raises(CommandRejected, match=message) as raised:
                await lb.haproxy(level).send(line)
            assert command in str(raised.value)
            assert (raised.value.hint is not None) == (message == "Permission denied")
        assert (await servers(lb.haproxy()))["shop/web1"].admin == 0


async def test_a_server_with_the_name_of_the_backends_row(haproxy_binary: Path) -> None:
    """The row of the backend itself is told from a server by its type."""
    async with balancer(haproxy_binary, {"shop": ("server BACKEND 127.0.0.1:1",)}) as lb:
        reading = await lb.haproxy().read()
        assert [state.server.path for state in reading.servers] == ["shop/BACKEND"]
        assert reading.queued == {"shop": 0}


async def test_many_commands_are_one_line(haproxy_binary: Path) -> None:
    """All commands of one call are carried out, in order."""
    async with balancer(haproxy_binary, PLAIN) as lb:
        haproxy = lb.haproxy()
        await haproxy.send(["set server shop/web1 state drain", "set server shop/web2 state maint"])
        seen = await servers(haproxy)
        assert (seen["shop/web1"].status, seen["shop/web2"].status) == ("DRAIN", "MAINT")
        await haproxy.send([f"set server shop/web1 weight {weight}" for weight in range(200, 0, -1)] * 5)
        assert (await servers(haproxy))["shop/web1"].weight == 1


async def test_a_cancelled_command_is_not_overtaken(haproxy_binary: Path, tmp_path: Path) -> None:
    """A command that was sent and is given up is carried out before the next one, or not at all."""
    async with balancer(haproxy_binary, PLAIN) as lb:
        come, go_on = asyncio.Event(), asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            command = (await reader.readline()).decode().strip()
            come.set()
            await go_on.wait()
            writer.write((await lb.ask(command)).encode())
            writer.close()

        async with await asyncio.start_unix_server(slow, tmp_path / "s"):
            haproxy = HAProxy("lb1", UnixTransport("lb1", UnixSocket(f"{tmp_path}/s")))

            async def give_up() -> None:
                await haproxy.send(["set server shop/web1 state maint"])

            given_up = asyncio.create_task(give_up())
            await come.wait()
            given_up.cancel()
            await asyncio.wait([given_up], timeout=0.05)
            assert not given_up.done()
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            await haproxy.send(["set server shop/web1 state ready"])
            assert (await servers(haproxy))["shop/web1"].in_rotation


@pytest.mark.parametrize("level", ["user", "operator", "admin"])
async def test_the_level_of_a_socket(haproxy_binary: Path, level: str) -> None:
    """A socket tells its permission level, and each level is enough to read."""
    async with balancer(haproxy_binary, PLAIN) as lb:
        assert await lb.haproxy(level).level() == level
        assert list(await servers(lb.haproxy(level))) == ["shop/web1", "shop/web2"]


async def test_a_tcp_socket(haproxy_binary: Path) -> None:
    """A runtime socket on TCP reads and sends like one on a path."""
    async with balancer(haproxy_binary, PLAIN) as lb:
        haproxy = HAProxy("lb1", TcpTransport("lb1", TcpSocket(lb.host, TCP_SOCKET_PORT)))
        await haproxy.send(["set server shop/web1 state maint"])
        assert (await servers(haproxy))["shop/web1"].status == "MAINT"
        assert await haproxy.level() == "admin"


def three_backends() -> dict[str, list[str]]:
    return {name: [f"server {name}1 127.0.0.1:1"] for name in ("shop", "api", "shop2")}


async def focused(lb: Balancer) -> HAProxy:
    haproxy = lb.haproxy()
    await haproxy.read()
    haproxy.focus(["shop"])
    assert list(await servers(haproxy)) == ["shop/shop1"]
    return haproxy


async def test_focus_reads_nothing_else(haproxy_binary: Path) -> None:
    """Focused on a backend, only its servers are read, although a frontend has the same name."""
    async with balancer(haproxy_binary, three_backends()) as lb:
        assert "shop,FRONTEND" in await lb.ask("show stat")
        haproxy = await focused(lb)
        await haproxy.send(["set server shop/shop1 state drain"])
        assert (await servers(haproxy))["shop/shop1"].status == "DRAIN"


async def test_focus_survives_a_reload(haproxy_binary: Path) -> None:
    """After a reload that gives the backend another number, its servers are read, and not another one's."""
    async with balancer(haproxy_binary, three_backends()) as lb:
        haproxy = await focused(lb)
        lb.backends = {"new": ["server new1 127.0.0.1:1"], **lb.backends}
        await lb.reload()
        await haproxy.read()
        assert list(await servers(haproxy)) == ["shop/shop1"]
        assert (await haproxy.read()).pid == lb.pid


async def test_focus_survives_a_backend_that_is_gone(haproxy_binary: Path) -> None:
    """After a reload without the backend, reading goes on, without its servers."""
    async with balancer(haproxy_binary, three_backends()) as lb:
        haproxy = await focused(lb)
        del lb.backends["shop"]
        await lb.reload()
        assert "shop/shop1" not in await servers(haproxy)


async def test_a_process_on_its_way_out_is_not_asked(haproxy_binary: Path) -> None:
    """While HAProxy is reloaded again and again, each reading is whole and of a process that stays."""
    async with balancer(haproxy_binary, PLAIN) as lb:
        haproxy, reloads = lb.haproxy(), 0

        async def reload() -> None:
            nonlocal reloads
            while reloads < 8:
                await lb.reload()
                reloads += 1

        reloading = asyncio.create_task(reload())
        readings: list[Reading] = []

        async def read() -> bool:
            readings.append(await read_patiently(haproxy, 10.0))
            return reloading.done()

        await until_seen(read, "the reloads")
        assert all(len(reading.servers) == 2 for reading in readings)
        assert readings[-1].pid == lb.pid
