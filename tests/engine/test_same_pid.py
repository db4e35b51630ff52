"""HAProxy in a container has the same pid after each restart: what it forgot is noticed all the same."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from tests.support.balancer import CONTAINED
from tests.support.needs import missing
from tests.support.shop import CHECKED, Shop, shop
from tests.support.until import until_seen

pytestmark = pytest.mark.every_haproxy

NOTICED = 1.0
"""Seconds; a fifth of it where no other test keeps the machine busy."""


@pytest.fixture(autouse=True)
def contained() -> None:
    if subprocess.run([*CONTAINED, "true"], capture_output=True).returncode != 0:
        missing("needs root, for process numbers of its own")


async def out_again(here: Shop) -> float:
    """Seconds until a node that came back is in maintenance."""
    clock = asyncio.get_running_loop().time
    begun = clock()

    async def in_maintenance() -> bool:
        return await here.statuses() == {"MAINT"}

    await until_seen(in_maintenance, "the node in maintenance again")
    return clock() - begun


async def test_a_restart_is_noticed(haproxy_binary: Path) -> None:
    """It is restarted while a node is out, after longer than patience lasts: the guard still keeps it out."""
    async with shop(haproxy_binary, within=CONTAINED) as here:
        rotation = here.rotation(apart=True, patience=0.05)
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        await rotation.still_out(here.log())
        guard = asyncio.create_task(rotation.guard(here.log()))
        pids = {here.balancers[0].pid}
        for _ in range(2):
            await here.balancers[0].restart()
            assert await out_again(here) < NOTICED
            pids.add(here.balancers[0].pid)
        assert pids == {1}
        assert not guard.done()
        guard.cancel()


async def test_another_configuration_is_read_anew(haproxy_binary: Path) -> None:
    """After a restart that gives the backend another number, its servers are read, and not another one's."""
    async with shop(haproxy_binary, {"shop": CHECKED}, within=CONTAINED) as here:
        (haproxy,), (lb,) = here.haproxies.values(), here.balancers
        haproxy.focus(["shop"])
        await haproxy.read()
        lb.backends = {"new": ["server new1 127.0.0.1:1"], **lb.backends}
        await lb.restart()
        assert {state.server.backend for state in (await haproxy.read()).servers} == {"shop", "new"}
        assert {state.server.backend for state in (await haproxy.read()).servers} == {"shop"}
