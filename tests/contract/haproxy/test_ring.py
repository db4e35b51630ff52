"""What HAProxy logs to a ring, read over its socket as it comes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from rollout.adapters.haproxy import HAProxy
from rollout.domain import TimedAnswer
from rollout.errors import NoStream
from tests.support.shop import CHECKED, shop
from tests.support.until import until, until_seen
from tests.support.visitors import crowd

LOGGED = ("log ring@requests local0", "option httplog")

every_haproxy = pytest.mark.every_haproxy


async def gather(lb: HAProxy, answers: list[TimedAnswer]) -> None:
    async with aclosing(lb.answers("requests")) as batches:
        async for batch in batches:
            answers += batch


@every_haproxy
@pytest.mark.parametrize(
    ("log_format", "ring_format"),
    [("option httplog", "rfc3164"), ("option httplog clf", "rfc5424"), ("option httpslog", "raw")],
)
async def test_each_answer_is_read_with_its_server_and_its_time(
    haproxy_binary: Path, log_format: str, ring_format: str
) -> None:
    """Those that are in the ring already, and those that come, whatever the format of its lines."""
    settings, ring = ("log ring@requests local0", log_format), (f"format {ring_format}", "size 65536")
    async with shop(haproxy_binary, {"shop": CHECKED}, settings=settings, ring=ring) as here:
        lb = here.haproxies["lb1"]
        here.apps["web2"].delay = 0.05
        async with crowd(here.balancers[0], "shop", size=2, fresh=True) as seen:
            await until(lambda: seen.total > 20, "requests")
            found = await lb.ring()
            assert found is not None
            assert found.name == "requests"
            assert not found.unreadable
            await lb.read()
            answers: list[TimedAnswer] = []
            reading = asyncio.create_task(gather(lb, answers))
            await until(lambda: len(answers) > 40, "answers")
            reading.cancel()
        for known in (answers, found.answers):
            by_server = Counter(answer.server.path for answer in known)
            assert by_server.keys() == {"shop/web1", "shop/web2"}
            assert all(answer.milliseconds >= 50 for answer in known if answer.server.name == "web2")
            assert any(answer.milliseconds < 50 for answer in known if answer.server.name == "web1")


@every_haproxy
async def test_a_stream_does_not_outlive_its_process(haproxy_binary: Path) -> None:
    """A reader would keep an old process alive: it leaves when another process has answered."""
    async with shop(haproxy_binary, {"shop": CHECKED}, settings=LOGGED, ring=()) as here:
        (balancer,), lb = here.balancers, here.haproxies["lb1"]
        await lb.read()
        reading = asyncio.create_task(gather(lb, []))
        await balancer.reload()

        async def reload_is_seen() -> bool:
            await lb.read()
            return reading.done()

        await until_seen(reload_is_seen, "the end of the stream")
        await until(lambda: balancer.old_processes() == 0, "the end of the old process")


@pytest.mark.parametrize("settings", [(), ("log ring@requests local0", 'log-format "%b %s %Tr"')])
async def test_without_a_ring_or_with_a_format_of_its_own_there_are_no_answers(
    haproxy_binary: Path, settings: tuple[str, ...]
) -> None:
    """The two are told apart: only one of them has lines that say nothing."""
    ring = () if settings else None
    async with shop(haproxy_binary, {"shop": CHECKED}, settings=settings, ring=ring) as here:
        async with crowd(here.balancers[0], "shop") as seen:
            await until(lambda: seen.total > 20, "requests")
        found = await here.haproxies["lb1"].ring()
        assert (found is None) == (not settings)
        assert found is None or found.unreadable


@every_haproxy
async def test_lines_that_haproxy_dropped_end_the_stream(haproxy_binary: Path) -> None:
    """A slow reader keeps lines from all readers of a ring, so rollout reads it no more and says so."""
    async with shop(haproxy_binary, {"shop": CHECKED}, settings=LOGGED, ring=("size 16384",)) as here:
        (balancer,), lb = here.balancers, here.haproxies["lb1"]
        await lb.read()
        reading = asyncio.create_task(gather(lb, []))
        slow, writer = await asyncio.open_unix_connection(balancer.socket().path, limit=1024)
        writer.write(b"show events requests -w -n\n")
        # Long lines fill the buffers soon, though few enough come for all of them to be read.
        async with crowd(balancer, "shop", target=f"/{900 * 'x'}", pause=0.02):

            async def dropping() -> bool:
                return "requests   : type=buffer, 0 dropped" not in await balancer.ask("show events")

            await until_seen(dropping, "a line that is dropped")
            draining = asyncio.create_task(slow.read())
            with pytest.raises(NoStream, match="HAProxy dropped"):
                await reading
        draining.cancel()
        writer.close()


async def test_of_many_lines_a_sample_is_read() -> None:
    """However many requests there are, HAProxy writes and rollout reads a bounded number in each second."""

    class Flood:
        """A ring that says as much as one reads."""

        streams = 0

        async def stream(self, request: bytes) -> AsyncGenerator[bytes, None]:
            self.streams += 1
            while True:
                await asyncio.sleep(0)
                yield b"c:1 [x] shop shop/web1 0/0/0/7/7 200 52 - - ----\n" * 100

    flood: Any = Flood()
    answers: list[TimedAnswer] = []
    reading = asyncio.create_task(gather(HAProxy("lb1", flood), answers))
    await until(lambda: flood.streams > 2, "two seconds")
    reading.cancel()
    assert len(answers) <= 3 * 500
