"""Commands and readings that are too long for one line of HAProxy's runtime API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rollout.adapters.haproxy import HAProxy, transport
from rollout.adapters.haproxy.transport import UnixTransport
from rollout.domain import AdminState, UnixSocket
from rollout.engine.waiting import read_patiently
from rollout.errors import CommandRejected, LoadBalancerUnreachable
from tests.support.balancer import Backends, Balancer, balancer

pytestmark = pytest.mark.every_haproxy

BACKENDS = 220
OURS = [f"b{number:03}" for number in range(BACKENDS)]


def backends(others: int = 0) -> Backends:
    names = [*OURS, *(f"other{number}" for number in range(others))]
    return dict.fromkeys(names, ("server web1 127.0.0.1:1",))


def to_all(what: str) -> list[str]:
    return [f"set server {backend}/web1 {what}" for backend in OURS]


Before = Callable[[int, str], Awaitable[None]]
"""What is done before a line, known by its number from 1 on, is passed on to HAProxy."""


@asynccontextmanager
async def between(lb: Balancer, folder: Path, before: Before) -> AsyncIterator[tuple[HAProxy, list[str]]]:
    """HAProxy behind a socket that passes lines on, and the lines."""
    lines: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await reader.readline()).decode().strip())
        try:
            await before(len(lines), lines[-1])
            writer.write((await lb.ask(lines[-1])).encode())
        finally:
            writer.close()

    async with await asyncio.start_unix_server(serve, folder / "s"):
        yield HAProxy("lb1", UnixTransport("lb1", UnixSocket(f"{folder}/s"))), lines


async def nothing(number: int, line: str) -> None:
    pass


@pytest.mark.parametrize("buffer", [4096, 16384])
async def test_any_buffer_takes_any_number_of_commands(haproxy_binary: Path, buffer: int) -> None:
    """With any `tune.bufsize`, 220 servers get their commands, and are read, all in order."""
    settings = [f"tune.bufsize {buffer}"]
    async with balancer(haproxy_binary, backends(others=BACKENDS), global_settings=settings) as lb:
        haproxy = lb.haproxy()
        await haproxy.read()
        haproxy.focus(OURS)
        commands = [
            *to_all("state maint"),
            *to_all("weight 30"),
            *to_all("weight 20%"),
            *to_all("state drain"),
        ]
        await haproxy.send(commands)
        states = (await haproxy.read()).servers
        assert [state.server.backend for state in states] == OURS
        assert {(state.admin, state.status) for state in states} == {(AdminState.FORCED_DRAIN, "DRAIN")}


async def test_a_rejection_holds_up_no_other_line(haproxy_binary: Path, tmp_path: Path) -> None:
    """A rejected command is named alone, after the commands of all lines were carried out."""
    async with balancer(haproxy_binary, backends()) as lb, between(lb, tmp_path, nothing) as (haproxy, lines):
        commands = to_all("state maint")
        commands[1:1] = ["set server b001/nope state maint"]
        with pytest.raises(
            CommandRejected, match="rejected `set server b001/nope state maint`: No such server"
        ):
            await haproxy.send(commands)
        assert len(lines) > 1
        assert {state.status for state in (await haproxy.read()).servers} == {"MAINT"}


async def test_two_commands_for_a_server_stay_together(haproxy_binary: Path, tmp_path: Path) -> None:
    """No line ends between a server's `drain` and its `health down`, when it would be UP unchecked."""
    async with balancer(haproxy_binary, backends()) as lb, between(lb, tmp_path, nothing) as (haproxy, lines):
        pairs = zip(to_all("state drain"), to_all("health down"), strict=True)
        await haproxy.send([command for pair in pairs for command in pair])
        told = [line.partition(";show info")[0] for line in lines if "set server" in line]
        assert len(told) > 1
        assert all(line.endswith("health down") for line in told)


async def test_a_reload_between_two_lines_of_a_reading(haproxy_binary: Path, tmp_path: Path) -> None:
    """A reading whose lines were answered by two processes is taken again, from the new one alone."""
    async with balancer(haproxy_binary, backends(others=BACKENDS)) as lb:

        async def reload(number: int, line: str) -> None:
            if number == 2 and "show servers state b000" in lines[0]:
                await lb.reload()

        async with between(lb, tmp_path, reload) as (haproxy, lines):
            await haproxy.read()
            await lb.ask("set server b000/web1 state maint")
            haproxy.focus(OURS)
            del lines[:]
            reading = await read_patiently(haproxy, 5.0)
        assert "show servers state b000" in lines[0]
        assert reading.pid == lb.pid
        assert {state.status for state in reading.servers} == {"no check"}


async def test_a_connection_that_breaks_between_two_lines(haproxy_binary: Path, tmp_path: Path) -> None:
    """Where a later line gets no answer, the send fails as a whole, and another try carries all of it out."""
    async with balancer(haproxy_binary, backends()) as lb:

        async def break_once(number: int, line: str) -> None:
            if number == 2:
                raise ConnectionError

        async with between(lb, tmp_path, break_once) as (haproxy, _):
            with pytest.raises(LoadBalancerUnreachable):
                await haproxy.send(to_all("state maint"))
            shown = {state.status for state in (await haproxy.read()).servers}
            assert shown == {"MAINT", "no check"}
            await haproxy.send(to_all("state maint"))
            assert {state.status for state in (await haproxy.read()).servers} == {"MAINT"}


async def test_given_up_between_two_lines(haproxy_binary: Path, tmp_path: Path) -> None:
    """A send that is cancelled after its first line is carried out to its last."""
    async with balancer(haproxy_binary, backends()) as lb:
        second, go_on = asyncio.Event(), asyncio.Event()

        async def wait(number: int, line: str) -> None:
            if number == 2:
                second.set()
                await go_on.wait()

        async with between(lb, tmp_path, wait) as (haproxy, _):
            given_up = asyncio.ensure_future(haproxy.send(to_all("state maint")))
            await second.wait()
            given_up.cancel()
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            assert {state.status for state in (await haproxy.read()).servers} == {"MAINT"}


async def test_a_single_command_that_is_too_long(
    haproxy_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that no buffer holds is an error that names `tune.bufsize`, or an answer that never came."""
    monkeypatch.setattr(transport, "TIMEOUT", 1.0)
    async with balancer(haproxy_binary, backends()) as lb:
        with pytest.raises((CommandRejected, LoadBalancerUnreachable)) as raised:
            await lb.haproxy().send([f"set server b000/web1 state maint{' ' * 20_000}"])
        if isinstance(raised.value, CommandRejected):
            assert "HAProxy's buffer is too small for a line of 20,0" in str(raised.value)
            assert raised.value.hint == "raise `tune.bufsize` in HAProxy's global section"


@pytest.mark.parametrize("line", ["", " line"])
@pytest.mark.parametrize("before", ["", "\n", "\n\n\n"])
async def test_too_long_is_known_wherever_it_is_said(tmp_path: Path, line: str, before: str) -> None:
    """HAProxy's word for a line that is too long is never taken for another service's."""
    said = (
        f"{before}The command{line} is too big for the buffer size. "
        "Please change tune.bufsize in the configuration to use a bigger command.\n"
    )

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said.encode())
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "s"):
        haproxy = HAProxy("lb1", UnixTransport("lb1", UnixSocket(f"{tmp_path}/s")))
        for ask in (haproxy.read, haproxy.level, haproxy.server_states, lambda: haproxy.send(["show info"])):
            with pytest.raises(CommandRejected, match="HAProxy's buffer is too small for a line of"):
                await ask()
