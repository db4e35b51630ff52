"""Requests that a process from before a reload still runs, where no master tells: the node's connections
do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rollout.errors import StepFailure
from rollout.events import Progressed, Warned
from tests.contract.haproxy.test_old_processes import BACKENDS, request_over_a_reload
from tests.support.shop import Shop, shop
from tests.support.until import until, until_seen
from tests.support.visitors import Visitor, crowd

pytestmark = pytest.mark.every_haproxy


def waits_for_connections(here: Shop) -> bool:
    return any("port 8000 1 left" in told.detail for told in here.told(Progressed))


@pytest.mark.parametrize("apart", [False, True])
async def test_the_drain_waits_for_them(haproxy_binary: Path, apart: bool) -> None:
    """A node is drained only once the request of the old process is finished, whoever can be asked."""
    async with shop(haproxy_binary, BACKENDS) as here:
        slow = await request_over_a_reload(here)
        rotation = here.rotation(apart=apart)
        await rotation.leave(here.log())
        draining = asyncio.create_task(rotation.drained(here.log()))
        await until(lambda: waits_for_connections(here), "the wait")
        assert await here.statuses() == {"MAINT"}
        here.apps["web1"].let_go()
        assert await slow == (200, "web1")
        await draining


async def test_a_request_that_came_between_two_reloads(haproxy_binary: Path) -> None:
    """A drained node got a request after a reload, and a second reload hid it: the restart waits for it."""
    async with shop(haproxy_binary, BACKENDS) as here:
        rotation = here.rotation()
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        await here.balancers[0].reload()
        slow = await request_over_a_reload(here)
        guard = asyncio.create_task(rotation.guard(here.log()))

        async def in_maintenance() -> bool:
            return await here.statuses() == {"MAINT"}

        await until_seen(in_maintenance, "the node in maintenance again")
        last_look = asyncio.create_task(rotation.still_out(here.log()))
        await until(lambda: waits_for_connections(here), "the wait")
        assert not last_look.done()
        here.apps["web1"].let_go()
        assert await slow == (200, "web1")
        await last_look
        guard.cancel()


@pytest.mark.parametrize("policy", ["abort", "close"])
async def test_too_slow_ones(haproxy_binary: Path, policy: str) -> None:
    """A request that takes too long ends the drain in vain and is told, unless what is left is given up."""
    async with shop(haproxy_binary, BACKENDS) as here:
        slow = await request_over_a_reload(here)
        rotation = here.rotation(timeout="2s", on_timeout=policy)
        await rotation.leave(here.log())
        if policy == "abort":
            with pytest.raises(
                StepFailure, match="1 connection that may belong to the process before it"
            ) as e:
                await rotation.drained(here.log())
            assert "master:" in str(e.value.hint)
            assert here.apps["web1"].address in e.value.tail[0]
        else:
            log = here.log()
            await rotation.drained(log)
            assert log.detail == "gave up on 1 connection from before a reload"
            (warned,) = here.told(Warned)
            assert warned.message.startswith("the restart ends 1 connection from before a reload: ")
            assert here.apps["web1"].address in warned.message
        here.apps["web1"].let_go()
        await slow


async def test_idle_connections_do_not_count(haproxy_binary: Path) -> None:
    """What the process of now keeps open is no request of an old one, although the node cannot tell."""
    async with (
        shop(haproxy_binary, BACKENDS) as here,
        crowd(here.balancers[0], "shop", size=20) as seen,
    ):
        for turn in range(1, 4):
            seen.answers.clear()
            await until(lambda: seen.answers["web1"] > 100, f"traffic in turn {turn}")
            rotation = here.rotation(apart=True, timeout="2s")
            await rotation.leave(here.log())
            await rotation.drained(here.log())
            await rotation.still_out(here.log())
            await rotation.give_back(here.log())
        assert seen.lost == []


async def test_private_connections_do_not_count(haproxy_binary: Path) -> None:
    """HAProxy keeps a connection for each client with `http-reuse never`, and does not show it as idle."""
    async with shop(haproxy_binary, {"shop": ("http-reuse never", "server web1 {web1}")}) as here:
        visitor = Visitor(here.balancers[0], "shop")
        assert await visitor.get() == (200, "web1")
        rotation = here.rotation(apart=True)
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        assert len(here.apps["web1"].connections) == 1
        visitor.close()
