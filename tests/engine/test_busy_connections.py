"""HAProxy's count of busy connections, under traffic: it is zero on a drained server, pooled ones or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.shop import shop
from tests.support.until import until
from tests.support.visitors import crowd

pytestmark = pytest.mark.every_haproxy


@pytest.mark.parametrize("reuse", ["never", "safe", "aggressive", "always"])
async def test_pooled_connections_do_not_count(haproxy_binary: Path, reuse: str) -> None:
    """Under keep-alive traffic a node is drained again and again, however connections are reused."""
    backend = (f"http-reuse {reuse}", "server web1 {web1}", "server web2 {web2}")
    async with shop(haproxy_binary, {"shop": backend}) as here:
        async with crowd(here.balancers[0], "shop", size=20) as seen:
            for turn in range(1, 6):
                seen.answers.clear()
                await until(lambda: seen.answers["web1"] > 100, f"traffic in turn {turn}")
                way = here.rotation(timeout="2s")
                await way.leave(here.log())
                await way.drained(here.log())
                assert here.apps["web1"].running == 0
                assert (await here.states())["lb1 shop"].idle
                await way.give_back(here.log())
        assert seen.lost == []
