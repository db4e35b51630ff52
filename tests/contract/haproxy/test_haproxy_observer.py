"""One observer per load balancer, with real HAProxy behind a socket that counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rollout.adapters.haproxy import HAProxy
from rollout.adapters.haproxy.transport import UnixTransport
from rollout.domain import UnixSocket
from rollout.errors import LoadBalancerUnreachable
from tests.support.balancer import Balancer, balancer
from tests.support.until import until

pytestmark = pytest.mark.every_haproxy

PLAIN = {"shop": ("server web1 127.0.0.1:1",)}


class Counter:
    """Passes each query on to HAProxy. While `open` is not set, answers are kept back."""

    def __init__(self, lb: Balancer) -> None:
        self.lb = lb
        self.open = asyncio.Event()
        self.open.set()
        self.asked = 0
        self.kept_back = 0
        self.breaks = False
        self.at_once = 0
        self.most_at_once = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            reply = await self.lb.ask((await reader.readline()).decode().strip())
            self.kept_back += 1
            await self.open.wait()
            if not self.breaks:
                writer.write(reply.encode())
        finally:
            self.at_once -= 1
            writer.close()


@asynccontextmanager
async def counted(binary: Path, folder: Path) -> AsyncIterator[tuple[HAProxy, Counter]]:
    async with balancer(binary, PLAIN) as lb:
        counter = Counter(lb)
        async with await asyncio.start_unix_server(counter.serve, folder / "s"):
            try:
                yield HAProxy("lb1", UnixTransport("lb1", UnixSocket(f"{folder}/s"))), counter
            finally:
                counter.open.set()


async def test_waiters_share_a_query(haproxy_binary: Path, tmp_path: Path) -> None:
    """Fifty who wait at the same time, ten times each, cost about ten queries, one at a time."""
    async with counted(haproxy_binary, tmp_path) as (lb, counter):

        async def wait() -> None:
            for _ in range(10):
                assert len((await lb.read()).servers) == 1

        await asyncio.gather(*(wait() for _ in range(50)))
        assert 10 <= counter.asked <= 13
        assert counter.most_at_once == 1


async def test_nobody_waits_nobody_asks(haproxy_binary: Path, tmp_path: Path) -> None:
    """Between readings HAProxy is left alone."""
    async with counted(haproxy_binary, tmp_path) as (lb, counter):
        await lb.read()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await until(lambda: loop.time() - began > 0.1, "some time")
        assert counter.asked == 1


async def test_a_reading_begins_after_its_call(haproxy_binary: Path, tmp_path: Path) -> None:
    """Who asks while a query is under way gets the answer of the next one, which shows what was just sent."""
    async with counted(haproxy_binary, tmp_path) as (lb, counter):
        counter.open.clear()
        early = asyncio.create_task(lb.read())
        await until(lambda: counter.kept_back == 1, "the first query")
        await counter.lb.ask("set server shop/web1 state drain")
        late = asyncio.create_task(lb.read())
        await asyncio.sleep(0)
        counter.open.set()
        assert (await early).servers[0].status == "no check"
        assert (await late).servers[0].status == "DRAIN"
        assert counter.asked == 2


async def test_a_cancelled_waiter_harms_nobody(haproxy_binary: Path, tmp_path: Path) -> None:
    """Of those who wait for a query some give up, the first one among them: the others get their reading."""
    async with counted(haproxy_binary, tmp_path) as (lb, counter):
        counter.open.clear()
        waiters = [asyncio.create_task(lb.read()) for _ in range(6)]
        await until(lambda: counter.asked == 1, "the query")
        for waiter in waiters[:3]:
            waiter.cancel()
        await asyncio.sleep(0)
        counter.open.set()
        results = await asyncio.gather(*waiters, return_exceptions=True)
        assert [isinstance(result, asyncio.CancelledError) for result in results] == [True] * 3 + [False] * 3
        assert len((await lb.read()).servers) == 1


async def test_all_are_told_of_an_error(haproxy_binary: Path, tmp_path: Path) -> None:
    """A query that fails fails for all who waited for it, and the next one is made anew."""
    async with counted(haproxy_binary, tmp_path) as (lb, counter):
        counter.breaks = True
        results = await asyncio.gather(*(lb.read() for _ in range(5)), return_exceptions=True)
        assert {type(result) for result in results} == {LoadBalancerUnreachable}
        counter.breaks = False
        assert len((await lb.read()).servers) == 1
