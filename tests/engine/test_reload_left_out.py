"""A node that failed stays out while the deployment goes on, whatever a load balancer forgets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rollout.domain import Outcome
from tests.support.rolling import Rolling, rolling
from tests.support.until import until, until_seen

pytestmark = pytest.mark.every_haproxy


@asynccontextmanager
async def web1_left_out(binary: Path) -> AsyncIterator[Rolling]:
    """The deployment goes on with web2, whose restart ends with the block."""
    async with rolling(binary, 3, strategy={"max_failures": 1}) as it:
        it.fail("web1")
        held = it.hold("web2")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web2"), "the next node's restart")
        yield it
        held.set()
        assert await running is Outcome.FAILED
        assert it.finished() == ["web2", "web3"]


async def test_it_is_held_again_after_a_reload(haproxy_binary: Path) -> None:
    """HAProxy is reloaded while another node is on its way: both are held again."""
    async with web1_left_out(haproxy_binary) as it:
        for _ in range(2):
            await it.here.balancers[0].reload()

            async def held() -> bool:
                return [await it.status("web1"), await it.status("web2")] == ["MAINT", "MAINT"]

            await until_seen(held, "both to be held again", within=0.5)
    assert it.failed() == {"web1": True}


async def test_one_that_a_person_put_back_is_let_alone(haproxy_binary: Path) -> None:
    """After somebody put it back, no reload makes it the deployment's again."""
    async with web1_left_out(haproxy_binary) as it:
        (haproxy,) = it.here.haproxies.values()
        await haproxy.send(["set server shop/web1 state ready"])
        (guard,) = it.deployment._guards.values()
        await until(guard.done, "the guard to end")
        await it.here.balancers[0].reload()

        async def web2_held() -> bool:
            return await it.status("web2") == "MAINT"

        await until_seen(web2_held, "the other one to be held again")
        assert await it.status("web1") != "MAINT"
