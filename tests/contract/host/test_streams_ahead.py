"""Questions to a socket on a host far away: the next channel is opened while the last one is in use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rollout.adapters.ssh import SshHost, SshPool
from tests.support.sshd import Sshd
from tests.support.until import until
from tests.support.wire import Wire

ROUND_TRIP = 0.2


@pytest.fixture
def far(sshd: Sshd) -> Iterator[Wire]:
    with Wire(sshd.address, sshd.port) as wire:
        known = sshd.known_hosts.read_text()
        sshd.known_hosts.write_text(known + known.replace(sshd.address, wire.address))
        yield wire


class Program:
    """A program behind a socket: it answers with its number, and counts its connections."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.connections = 0
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        if await reader.read():
            writer.write(b"%d" % self.number)
        writer.close()
        self.open -= 1


@asynccontextmanager
async def asked(sshd: Sshd, path: Path, wire: Wire | None = None) -> AsyncIterator[tuple[Program, SshHost]]:
    """The first program behind the socket, and the host, which is asked over the wire."""
    program = Program(1)
    async with await asyncio.start_unix_server(program.serve, path), SshPool() as pool:
        host = pool.host("lb1", sshd.target() if wire is None else sshd.target(host=wire.address))
        await host.connect()
        if wire is not None:
            wire.delay = ROUND_TRIP / 2
        yield program, host


async def ask(host: SshHost, path: Path) -> tuple[bytes, float]:
    """The answer, and how many round trips it took."""
    begun = time.monotonic()
    answer = await host.stream_query(str(path), b"?", 20.0)
    return answer, (time.monotonic() - begun) / ROUND_TRIP


async def test_one_round_trip_for_each_question_but_the_first(sshd: Sshd, far: Wire, tmp_path: Path) -> None:
    """Also where two ask at the same time, again and again."""
    path = tmp_path / "socket"
    async with asked(sshd, path, far) as (program, host):
        assert (await ask(host, path))[1] > 2
        for _ in range(3):
            both = await asyncio.gather(ask(host, path), ask(host, path))
            assert [answer for answer, _ in both] == [b"1", b"1"]
            assert max(round_trips for _, round_trips in both) < 1.9
        await until(lambda: program.open == 0, "the end of the channels that nobody used")


async def test_a_channel_that_waited_for_long_is_not_used(sshd: Sshd, far: Wire, tmp_path: Path) -> None:
    """It would lead to a program that has been replaced meanwhile; and it does not keep that one alive."""
    path = tmp_path / "socket"
    async with asked(sshd, path, far) as (old, host):
        await ask(host, path)
        assert old.open > 0
        path.unlink()
        new = Program(2)
        async with await asyncio.start_unix_server(new.serve, path):
            await until(lambda: old.open == 0, "the end of the channels to the old program")
            assert (await ask(host, path))[0] == b"2"


async def test_a_channel_whose_program_ended_is_not_used(sshd: Sshd, far: Wire, tmp_path: Path) -> None:
    """The question goes to the program that there is now."""
    path = tmp_path / "socket"
    async with SshPool() as pool:
        host = pool.host("lb1", sshd.target(host=far.address))
        await host.connect()
        far.delay = ROUND_TRIP / 2
        ending: list[asyncio.StreamWriter] = []

        async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            ending.append(writer)
            if await reader.read():
                for connection in ending:
                    connection.close()

        async with await asyncio.start_unix_server(answer_once, path):
            await ask(host, path)
        path.unlink()
        new = Program(2)
        async with await asyncio.start_unix_server(new.serve, path):
            await until(lambda: len(ending) > 1, "the channels that were opened ahead")
            for connection in ending:
                connection.close()
            await asyncio.sleep(ROUND_TRIP)
            assert (await ask(host, path))[0] == b"2"


async def test_nothing_is_opened_ahead_where_it_gains_nothing(sshd: Sshd, tmp_path: Path) -> None:
    """Near by, each question has its one connection, made for it."""
    path = tmp_path / "socket"
    async with asked(sshd, path) as (program, host):
        for _ in range(5):
            await ask(host, path)
    assert program.connections <= 6  # one may have been slow on a busy machine
