"""Servers that track a node's, and nodes that are backups: who leaves along, and who carries the traffic."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rollout.domain import Outcome
from rollout.engine.checks.on_load_balancer import server_findings
from rollout.engine.checks.preflight import make_plan
from rollout.engine.site import survey
from rollout.errors import Refused
from rollout.events import Progressed
from tests.support.rolling import CHECK, rolling
from tests.support.shop import shop
from tests.support.site import inventory, site
from tests.support.until import until
from tests.support.visitors import crowd

pytestmark = pytest.mark.every_haproxy

ELSEWHERE = "127.0.0.1:9"
"""An address of no node."""
SHOP = (*CHECK, "server web1 {web1}", "server web2 {web2}")


async def test_who_is_taken_along_is_judged(haproxy_binary: Path) -> None:
    """A backend of other servers would be empty, for its only one tracks the node's: it is refused."""
    backends = {"shop": SHOP, "reports": (f"server one {ELSEWHERE} track shop/web1",)}
    with pytest.raises(Refused, match="reports/one on lb1 is the last server that takes traffic"):
        async with rolling(haproxy_binary, 2, backends=backends):
            raise AssertionError
    async with rolling(haproxy_binary, 2, backends=backends, allow_outage=True) as it:
        told = [finding.text for finding in server_findings(it.site, ["web1"], await survey(it.site))]
        assert any(text.startswith("reports/one on lb1 tracks a server of the node") for text in told)
        assert {(c.backend, c.now, c.least) for c in it.plan.capacity} == {
            ("shop", 2, 1),
            ("reports", 1, 0),
        }


async def test_the_gate_sees_them_too(haproxy_binary: Path) -> None:
    """When the other server of such a backend leaves meanwhile, none goes that takes the last one along."""
    backends = {
        "shop": (*SHOP, "server web3 {web3}"),
        "reports": (f"server one {ELSEWHERE} track shop/web2", f"server two {ELSEWHERE}"),
    }
    async with rolling(haproxy_binary, 3, backends=backends, strategy={"patience": "200ms"}) as it:
        restart = it.hold("web1")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1"), "the first restart")
        await it.here.balancers[0].ask("set server reports/two state maint")
        restart.set()
        assert await running is not Outcome.DONE
        assert it.finished() == ["web1"]
        assert any("reports/one on lb1 is the last server" in e.detail for e in it.here.told(Progressed))


async def test_a_check_of_another_machine_proves_nothing(haproxy_binary: Path) -> None:
    """A node that tracks a server of somebody else's is refused where it has no health page of its own."""
    backends = {
        "shop": ("server web1 {web1} track other/one", "server web2 {web2} track other/one"),
        "other": (*CHECK, "server one {web3}"),
    }
    async with shop(haproxy_binary, backends, nodes=3) as here:
        nodes = {name: {"host": here.apps[name].host, "ssh": "local"} for name in ("web1", "web2")}
        async with site(here, inventory(here, nodes=nodes, health=None)) as where:
            _, seen = await make_plan(where, ["web1"], None, ours={})
            (finding, *_) = server_findings(where, ["web1"], seen)
            assert finding.level == "problem"
            assert finding.text.endswith("; it tracks other/one, which is not a server of the node")


async def test_backups_carry_what_is_left(haproxy_binary: Path) -> None:
    """With the only active server out, the backups are rolled in turn, and their traffic loses nothing."""
    servers = ("server web1 {web1}", "server web2 {web2} backup", "server web3 {web3} backup")
    backends = {"shop": (*CHECK, *servers)}
    async with rolling(haproxy_binary, 3, backends=backends, left_out=["web1"]) as it:
        restart = it.hold("web1")
        async with crowd(it.here.balancers[0], "shop", pause=0.002) as seen:
            running = asyncio.create_task(it.deployment.run())
            await until(lambda: it.restarting("web1"), "the restart of the one that was left out")
            await until(lambda: seen.answers["web2"] > 20, "traffic of the first backup")
            restart.set()
            assert await running is Outcome.DONE
        assert it.finished() == ["web1", "web2", "web3"]
        assert seen.lost == []


async def test_one_backup_leaves_while_another_takes_over(haproxy_binary: Path) -> None:
    """All active servers are out for good: a backup that carries the traffic leaves, as the next takes it."""
    servers = (
        f"server old {ELSEWHERE} disabled no-check",
        "server web1 {web1} backup",
        "server web2 {web2} backup",
    )
    backends = {"shop": (*CHECK, *servers)}
    async with rolling(haproxy_binary, 2, backends=backends) as it:
        async with crowd(it.here.balancers[0], "shop", pause=0.002) as seen:
            await until(lambda: seen.answers["web1"] > 20, "traffic of the first backup")
            assert await it.deployment.run() is Outcome.DONE
        assert it.finished() == ["web1", "web2"]
        assert seen.lost == []
        assert seen.answers["web2"] > 0


async def test_the_last_active_server_is_not_left_to_backups(haproxy_binary: Path) -> None:
    """They are for an emergency: a deployment does not bring one about, unless it is allowed an outage."""
    backends = {"shop": (*CHECK, "server web1 {web1}", "server web2 {web2} backup")}
    with pytest.raises(Refused, match="shop/web1 on lb1 is the last server that takes traffic"):
        async with rolling(haproxy_binary, 2, backends=backends):
            raise AssertionError
    async with rolling(haproxy_binary, 2, backends=backends, allow_outage=True) as it:
        async with crowd(it.here.balancers[0], "shop", pause=0.002) as seen:
            assert await it.deployment.run() is Outcome.DONE
        assert seen.lost == []
