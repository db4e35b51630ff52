"""Requests that a process from before a reload still runs: no new process shows them, its master does."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path

import pytest

from rollout.adapters.haproxy import HAProxy, master
from rollout.adapters.haproxy.transport import UnixTransport
from rollout.engine.waiting import read_patiently
from rollout.errors import LoadBalancerError, NotHAProxy, StepFailure
from rollout.events import Progressed
from tests.support.shop import Shop, shop
from tests.support.until import until, until_seen
from tests.support.visitors import Visitor, crowd

pytestmark = pytest.mark.every_haproxy


async def request_over_a_reload(here: Shop, reloads: int = 1) -> asyncio.Task[tuple[int, str]]:
    """A request that runs on web1, in a process that has been replaced."""
    slow = asyncio.create_task(Visitor(here.balancers[0], "only").get("/hold"))
    await until(lambda: here.apps["web1"].running == 1, "the slow request")
    for _ in range(reloads):
        await here.balancers[0].reload()
        await until_seen(functools.partial(_answers, here), "an answer of the new process")
    return slow


async def _answers(here: Shop) -> bool:
    """Whether HAProxy answers: after a reload, the master of 3.2 now and then does not for a while."""
    try:
        async with asyncio.timeout(2):
            return bool(await here.states())
    except (LoadBalancerError, TimeoutError):
        return False


BACKENDS = {
    "shop": ("server web1 {web1}", "server web2 {web2}"),
    "only": ("server web1 {web1}",),
}


@pytest.mark.parametrize("reloads", [1, 2])
async def test_the_drain_waits_for_them(haproxy_binary: Path, reloads: int) -> None:
    """A node is drained only once the request of the old process is finished."""
    async with shop(haproxy_binary, BACKENDS, with_master=True) as here:
        slow = await request_over_a_reload(here, reloads)
        assert (await here.states())["lb1 only"].old_sessions == 1
        way = here.rotation()
        await way.leave(here.log())
        draining = asyncio.create_task(way.drained(here.log()))
        await until(lambda: "lb1 1 left" in [told.detail for told in here.told(Progressed)], "the wait")
        assert not draining.done()
        here.apps["web1"].let_go()
        assert await slow == (200, "web1")
        await draining
        assert (await here.states())["lb1 only"].load == 0


async def test_a_reload_while_it_drains(haproxy_binary: Path) -> None:
    """HAProxy is reloaded while a drain waits for a request: it goes on waiting for it."""
    async with shop(haproxy_binary, BACKENDS, with_master=True) as here:
        slow = await request_over_a_reload(here, 0)
        way = here.rotation()
        await way.leave(here.log())
        draining = asyncio.create_task(way.drained(here.log()))
        await here.balancers[0].reload()

        async def held() -> bool:
            return await here.statuses() == {"DRAIN", "MAINT"}

        await until_seen(held, "the idle server to be held by the new process")
        assert not draining.done()
        here.apps["web1"].let_go()
        assert await slow == (200, "web1")
        await draining
        assert await here.statuses() == {"MAINT"}


async def test_too_slow_ones_are_named(haproxy_binary: Path) -> None:
    """A drain that ends in vain says that the session is one of an old process."""
    async with shop(haproxy_binary, BACKENDS, with_master=True) as here:
        slow = await request_over_a_reload(here)
        way = here.rotation(timeout="300ms")
        await way.leave(here.log())
        with pytest.raises(StepFailure, match=r"1 on only/web1 on lb1 \(1 in processes from before a reload"):
            await way.drained(here.log())
        here.apps["web1"].let_go()
        assert await slow == (200, "web1")


async def test_reading_while_workers_come_and_go(haproxy_binary: Path) -> None:
    """Under traffic and reloads, each reading is whole; a worker that is gone has no session."""
    async with (
        shop(haproxy_binary, BACKENDS, with_master=True) as here,
        crowd(here.balancers[0], "shop", target="/?delay=0.05", fresh=True) as seen,
    ):
        readings = 0
        ending = False

        async def read() -> None:
            nonlocal readings
            while not ending:
                readings += (await read_patiently(here.haproxies["lb1"], 10.0)).old_processes_shown

        reading = asyncio.create_task(read())
        for _ in range(8):
            await here.balancers[0].reload()
            served = seen.total
            await until(lambda served=served: seen.total > served + 4, "traffic")
        ending = True
        await reading
        assert readings >= 8


class Forgetful(UnixTransport):
    """A master that never answers the first question."""

    asked = 0

    async def ask(self, request: bytes) -> bytes:
        self.asked += 1
        if self.asked == 1:
            await asyncio.Event().wait()
        return await super().ask(request)


async def test_a_question_that_the_master_forgets_is_asked_again(
    haproxy_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before the load balancer counts as one that does not answer."""
    monkeypatch.setattr(master, "_FORGOTTEN", 0.1)
    async with shop(haproxy_binary, BACKENDS, with_master=True) as here:
        lb = here.balancers[0]
        forgetful = Forgetful("lb1", lb.socket("master"))
        reading = await HAProxy("lb1", UnixTransport("lb1", lb.socket()), forgetful).read()
        assert reading.old_processes_shown
        assert forgetful.asked == 2


async def test_another_socket_is_no_master(haproxy_binary: Path) -> None:
    """A `master:` that names the runtime socket is refused, and the error says what is meant."""
    async with shop(haproxy_binary) as here:
        socket = UnixTransport("lb1", here.balancers[0].socket())
        with pytest.raises(NotHAProxy, match="not HAProxy's master socket") as caught:
            await HAProxy("lb1", socket, socket).read()
        assert "haproxy -W -S" in str(caught.value.hint)
