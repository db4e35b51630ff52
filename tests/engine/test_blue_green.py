"""The recipe of docs/blue-green.md, with its configuration: deploy to the idle colour, and switch."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollout.domain import Outcome
from rollout.engine.checks.preflight import make_plan, require_safe
from rollout.engine.deployment import Deployment
from tests.support.balancer import FIRST_PORT, Balancer
from tests.support.shop import Shop
from tests.support.site import AppHost, inventory, site
from tests.support.until import until
from tests.support.visitors import crowd
from tests.support.web import WebApp, web_app

pytestmark = pytest.mark.every_haproxy

EXAMPLES = Path(__file__).parents[2] / "haproxy"
ADDRESSES = {"10.0.0.11": "blue1", "10.0.0.12": "blue2", "10.0.0.21": "green1", "10.0.0.22": "green2"}


class BlueGreen(Balancer):
    """The example, at a test's own places."""

    def __init__(self, binary: Path, apps: dict[str, WebApp]) -> None:
        super().__init__(binary, "lb1", {})
        self._apps = apps
        self.map = self.folder / "green.map"
        shutil.copy(EXAMPLES / "green.map", self.map)

    def port(self, backend: str) -> int:
        return FIRST_PORT

    async def switch(self, share: int) -> None:
        """As the recipe does it."""
        self.map.write_text(re.sub("^green .*", f"green {share}", self.map.read_text(), flags=re.MULTILINE))
        assert (await self.ask(f"set map {self.map} green {share}")).strip() == ""

    def _config(self) -> str:
        text = (EXAMPLES / "blue-green.cfg").read_text()
        places = {
            "  user haproxy\n  group haproxy\n": "",
            "/run/haproxy/admin.sock": self.socket().path,
            "/etc/haproxy/green.map": str(self.map),
            "bind :80": f"bind {self.host}:{FIRST_PORT}",
            **{address: self._apps[name].host for address, name in ADDRESSES.items()},
        }
        for there, here in places.items():
            assert there in text, there
            text = text.replace(there, here)
        return text


@asynccontextmanager
async def two_colours(binary: Path) -> AsyncIterator[tuple[Shop, BlueGreen]]:
    async with AsyncExitStack() as stack:
        apps = {name: await stack.enter_async_context(web_app(name)) for name in ADDRESSES.values()}
        balancer = BlueGreen(binary, apps)
        try:
            await balancer.start()
            yield Shop(apps, [balancer], {"lb1": balancer.haproxy()}), balancer
        finally:
            balancer.stop()
            shutil.rmtree(balancer.folder)


async def deploy(here: Shop, colour: str) -> Outcome:
    """`rollout deploy` with the inventory of a colour, as a process of its own would."""
    here = replace(here, haproxies={"lb1": here.balancers[0].haproxy()})
    nodes = [name for name in here.apps if name.startswith(colour)]
    written: dict[str, Any] = {
        "load_balancers": {"lb1": {"haproxy": str(here.balancers[0].socket()), "backends": [colour]}},
        "nodes": {name: {"host": here.apps[name].host, "ssh": "local"} for name in nodes},
    }
    hosts = {name: AppHost(here.apps[name]) for name in nodes}
    async with site(here, inventory(here, **written), hosts) as where:
        plan, seen = await make_plan(where, nodes, None, ours={})
        await require_safe(where, plan, seen, allow_outage=False)
        return await Deployment(where, plan, 1, {}, here.events.append, allow_outage=False).run()


@pytest.mark.parametrize("shares", [(100,), (10, 100)])
async def test_the_switch_loses_nothing(haproxy_binary: Path, shares: tuple[int, ...]) -> None:
    """Under traffic: the idle colour is deployed without a request to it, then gets all, and blue none."""
    async with (
        two_colours(haproxy_binary) as (here, balancer),
        crowd(balancer, "www", pause=0.002, fresh=True) as seen,
    ):
        await until(lambda: seen.answers["blue1"] > 20, "traffic of blue")
        assert await deploy(here, "green") is Outcome.DONE
        assert [here.apps[name].starts for name in here.apps] == [1, 1, 2, 2]
        assert set(seen.answers) == {"blue1", "blue2"}
        for share in shares:
            await balancer.switch(share)
            before = seen.answers.copy()
            await until(
                lambda before=before: (seen.answers - before)["green1"] > 10,  # type: ignore[misc]
                "traffic of green",
            )
            assert bool((seen.answers - before)["blue1"] > 10) == (share < 100)
        assert await deploy(here, "blue") is Outcome.DONE
        await balancer.reload(as_it_is=True)
        before = seen.answers.copy()
        await until(lambda: (seen.answers - before).total() > 50, "traffic after a reload")
        assert set(seen.answers - before) == {"green1", "green2"}
        await balancer.switch(0)
        before = seen.answers.copy()
        await until(lambda: (seen.answers - before)["blue2"] > 10, "traffic of blue again")
    assert [line for line in seen.lost if not line.startswith("ConnectionRe")] == []


async def test_the_wrong_colour_loses_nothing_either(haproxy_binary: Path) -> None:
    """Who deploys to the one that serves rolls it node by node."""
    async with two_colours(haproxy_binary) as (here, balancer):
        async with crowd(balancer, "www", pause=0.002) as seen:
            await until(lambda: seen.answers["blue1"] > 20, "traffic of blue")
            assert await deploy(here, "blue") is Outcome.DONE
        assert seen.lost == []
