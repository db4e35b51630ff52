"""Which servers a node is: names and addresses that contradict each other are refused before any drain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rollout.domain import Outcome
from rollout.engine.checks.check import check
from rollout.engine.checks.preflight import make_plan, require_safe
from rollout.engine.deployment import Deployment
from rollout.engine.site import survey
from rollout.errors import Refused
from tests.support.balancer import balancer
from tests.support.rolling import CHECK, rolling
from tests.support.shop import Shop, shop
from tests.support.site import AppHost, inventory, site
from tests.support.visitors import crowd

NAMES = ("web1", "web2")
BACKEND = {"shop": (*CHECK, "server web1 {web1}", "server web2 {web2}")}


@asynccontextmanager
async def two_orders(binary: Path) -> AsyncIterator[Shop]:
    """Two load balancers that have the same names in another order."""
    async with shop(binary, BACKEND) as here:
        first, second = (here.apps[name].address for name in NAMES)
        lines = (*CHECK, f"server web1 {second}", f"server web2 {first}")
        async with balancer(binary, {"shop": lines}, name="lb2") as other:
            haproxies = {**here.haproxies, "lb2": other.haproxy()}
            yield Shop(here.apps, [*here.balancers, other], haproxies)


def nodes(here: Shop, **servers: Any) -> dict[str, Any]:
    """The nodes of an inventory, with `server:` as given."""
    return {
        name: {"host": app.host, "ssh": "local", **({"server": servers[name]} if name in servers else {})}
        for name, app in here.apps.items()
    }


@pytest.mark.every_haproxy
async def test_the_same_names_in_another_order(haproxy_binary: Path) -> None:
    """One name for all load balancers is refused, with the lines to write; with these nothing is lost on
    either."""
    async with two_orders(haproxy_binary) as here:
        for servers in ({}, {"web1": "web1", "web2": "web2"}):
            async with site(here, inventory(here, nodes=nodes(here, **servers))) as where:
                with pytest.raises(Refused) as caught:
                    await survey(where)
                said = "write `server: {lb2: web2}` on web1 and `server: {lb2: web1}` on web2"
                assert said in str(caught.value)
                problems = [
                    finding.text for finding in await check(where, NAMES) if finding.level == "problem"
                ]
                assert problems == str(caught.value).splitlines()
        named = nodes(here, web1={"lb2": "web2"}, web2={"lb2": "web1"})
        hosts = {name: AppHost(app) for name, app in here.apps.items()}
        async with (
            site(here, inventory(here, nodes=named), hosts) as where,
            crowd(here.balancers[0], "shop", pause=0.01) as one,
            crowd(here.balancers[1], "shop", pause=0.01) as two,
        ):
            plan, seen = await make_plan(where, NAMES, None, ours={})
            await require_safe(where, plan, seen, allow_outage=False)
            deployment = Deployment(where, plan, 1, {}, here.events.append, allow_outage=False)
            assert await deployment.run() is Outcome.DONE
            assert one.lost + two.lost == []
            assert [app.starts for app in here.apps.values()] == [2, 2]


async def test_a_copied_host_line(haproxy_binary: Path) -> None:
    """The second node would restart the first, while HAProxy drains the second."""
    async with shop(haproxy_binary, BACKEND) as here:
        copied = nodes(here)
        copied["web2"]["host"] = copied["web1"]["host"]
        async with site(here, inventory(here, nodes=copied)) as where:
            with pytest.raises(
                Refused, match=r"web2 has the host .*, where shop/web1 on lb1 is, but its own"
            ):
                await survey(where)
            (problem,) = [finding for finding in await check(where, NAMES) if finding.subject == "nodes"]
            assert problem.level == "problem"


async def test_hosts_that_are_exchanged(haproxy_binary: Path) -> None:
    """Each node would restart the other."""
    async with shop(haproxy_binary, BACKEND) as here:
        exchanged = nodes(here)
        one, two = (exchanged[name]["host"] for name in NAMES)
        exchanged["web1"]["host"], exchanged["web2"]["host"] = two, one
        async with site(here, inventory(here, nodes=exchanged)) as where:
            with pytest.raises(
                Refused, match="shop/web1 on lb1 is named like web1, but is at the address of web2"
            ):
                await survey(where)


@pytest.mark.every_haproxy
async def test_a_name_that_only_haproxy_can_look_up(haproxy_binary: Path) -> None:
    """Its configuration has the name of the node's host, which nobody here can look up."""
    lines = (
        "server one first.internal:8000 init-addr 127.0.0.9",
        "server two second.internal:8000 init-addr none",
        "server web2 127.0.0.1:8001",
    )
    async with shop(haproxy_binary, {"shop": lines}) as here:
        hosts = {
            "web1": {"host": "First.internal"},
            "web2": {"host": "127.0.0.1"},
            "web3": {"host": "second.internal"},
        }
        async with site(here, inventory(here, nodes=hosts)) as where:
            placed = (await survey(where)).placement
            assert [[s.name for s in own] for own in placed.values()] == [["one"], ["web2"], ["two"]]


async def test_a_server_that_moved_since_the_plan(haproxy_binary: Path) -> None:
    """A slot that became another machine before its node's turn: neither is touched."""
    async with rolling(haproxy_binary, 2, backends=BACKEND) as it:
        address = it.here.apps["web2"].host
        await it.here.balancers[0].ask(f"set server shop/web1 addr {address} port 8000")
        assert await it.deployment.run() is Outcome.FAILED
        assert it.failed() == {"web1": False}
        assert [app.starts for app in it.here.apps.values()] == [1, 1]


@pytest.mark.every_haproxy
async def test_health_checks_that_somebody_disabled(haproxy_binary: Path) -> None:
    """Nothing at HAProxy could find the node healthy again: refused, with the command that helps."""
    disabled = {"lb1": ["disable health shop/web1"]}
    with pytest.raises(Refused) as caught:
        async with rolling(haproxy_binary, 2, backends=BACKEND, found=disabled):
            raise AssertionError
    assert str(caught.value) == (
        "web1: the health checks of shop/web1 on lb1 are disabled: HAProxy cannot find the node healthy again"
    )
    assert caught.value.hint == "send `enable health shop/web1` to lb1"
    enabled = {"lb1": [*disabled["lb1"], "enable health shop/web1"]}
    async with rolling(haproxy_binary, 2, backends=BACKEND, found=enabled) as it:
        assert await it.deployment.run() is Outcome.DONE
