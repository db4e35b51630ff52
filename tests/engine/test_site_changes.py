"""The site changes in mid-deployment: HAProxy is reloaded with another configuration, or given servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rollout.domain import Outcome
from rollout.events import Halted, ServerNoted, StepFailed, UsersSaw, Warned
from tests.support.rolling import CHECK, Rolling, rolling
from tests.support.until import until, until_seen
from tests.support.visitors import crowd

pytestmark = pytest.mark.every_haproxy

STRANGER = "127.9.9.9:8000"
"""The address of no node."""


def servers(it: Rolling, *nodes: str, **elsewhere: str) -> list[str]:
    """A backend of nodes, each at its own address or `elsewhere`: at another node's, or at that address."""
    own = {name: app.address for name, app in it.here.apps.items()}
    at = {name: own.get(elsewhere.get(name, name), STRANGER) for name in nodes}
    return [*CHECK, *(f"server {name} {address}" for name, address in at.items())]


@asynccontextmanager
async def web1_out(
    binary: Path, nodes: int = 3, **sections: Any
) -> AsyncIterator[tuple[Rolling, asyncio.Task[Outcome], asyncio.Event]]:
    """Node web1 is out, about to be restarted; its restart begins when the block ends."""
    async with rolling(binary, nodes, **sections) as it:
        held = it.hold("web1")
        deploying = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1"), "the restart of web1")
        yield it, deploying, held
        held.set()
        await asyncio.wait([deploying])


async def reload(it: Rolling, **backends: Sequence[str] | None) -> None:
    """Reload the load balancer with backends changed, or without those that are `None`."""
    (balancer,) = it.here.balancers
    for name, lines in backends.items():
        balancer.backends.pop(name, None)
        if lines is not None:
            balancer.backends[name] = lines
    await balancer.reload()


async def shows(it: Rolling, path: str, status: str) -> bool:
    backend, name = path.split("/")
    state = (await it.here.states(name)).get(f"lb1 {backend}")
    return state is not None and state.status == status


async def test_a_backend_that_comes_is_drained_too(haproxy_binary: Path) -> None:
    """A reload adds it while one node is out: there, too, that node is taken out before it is restarted, and
    the others leave it before they are. No user of either backend loses a request, and all are counted."""
    async with rolling(haproxy_binary, 3) as it:
        held = it.hold("web1")
        deploying = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1"), "the restart of web1")
        (lb,) = it.here.balancers
        await reload(it, api=servers(it, "web1", "web2", "web3"))
        await until_seen(lambda: shows(it, "api/web1", "MAINT"), "web1 to be out there, too", within=1.0)
        async with crowd(lb, "shop", fresh=True) as of_shop, crowd(lb, "api", fresh=True) as of_api:
            held.set()
            assert await deploying is Outcome.DONE
        assert not of_shop.lost
        assert not of_api.lost
        assert set(of_api.answers) == {"web1", "web2", "web3"}
        assert all(f"server api/{name} state maint" in "".join(sent(it)) for name in ("web1", "web2", "web3"))
        noted = {event.node for event in it.here.told(ServerNoted) if event.backend == "api"}
        assert noted == {"web1", "web2", "web3"}
        assert it.here.told(UsersSaw)[-1].requests >= of_api.total
        assert await it.here.statuses("web1") == {"UP"}


def sent(it: Rolling) -> list[str]:
    return [event.line for event in it.here.events if hasattr(event, "line")]


async def test_a_backend_that_comes_counts_for_capacity(haproxy_binary: Path) -> None:
    """The next node would be the last one there: it does not leave."""
    async with web1_out(haproxy_binary, strategy={"patience": "300ms"}) as (it, deploying, _):
        await reload(it, api=servers(it, "web2"))
        await until_seen(lambda: shows(it, "shop/web1", "MAINT"), "web1 to be held again", within=1.0)
    assert await deploying is Outcome.FAILED
    assert it.finished() == ["web1"]
    (halted,) = it.here.told(Halted)
    assert "api/web2 on lb1 is the last server that takes traffic in its backend" in halted.reason


async def test_a_backend_that_goes_is_not_waited_for(haproxy_binary: Path) -> None:
    """The reload takes it away while a node is out of it: the deployment goes on without it, and says so."""
    both = {name: (*CHECK, *(f"server web{n} {{web{n}}}" for n in (1, 2, 3))) for name in ("shop", "api")}
    async with web1_out(haproxy_binary, backends=both) as (it, deploying, _):
        await reload(it, api=None)
        await until_seen(lambda: shows(it, "shop/web1", "MAINT"), "web1 to be held again", within=1.0)
    assert await deploying is Outcome.DONE
    assert "lb1 no longer has api/web1, so nothing is sent there" in warnings(it)


def warnings(it: Rolling) -> set[str]:
    return {event.message for event in it.here.told(Warned)}


async def test_a_server_that_is_added_at_runtime(haproxy_binary: Path) -> None:
    """No process changes: an operator adds the node that is out to another backend, and sets it ready there.
    It is taken out before its application is touched, and is ready again at the end."""
    backends = {
        "shop": (*CHECK, *(f"server web{n} {{web{n}}}" for n in (1, 2, 3))),
        "api": (*CHECK, "server web2 {web2}", "server web3 {web3}"),
    }
    async with web1_out(haproxy_binary, backends=backends) as (it, deploying, held):
        (lb,) = it.here.balancers
        address = it.here.apps["web1"].address
        assert "New server registered" in await lb.ask(f"add server api/web1 {address} check inter 50ms")
        await lb.ask("enable health api/web1; set server api/web1 state ready")
        await until_seen(lambda: shows(it, "api/web1", "MAINT"), "web1 to be out there, too", within=2.0)
        held.set()
        assert await deploying is Outcome.DONE
        assert await it.here.statuses("web1") == {"UP"}


CHANGES = {
    "another machine": ({"web2": "stranger"}, "shop/web2 on lb1 was at"),
    "gone": (None, "no load balancer has a server of web2 any more"),
    "exchanged": ({"web2": "web3", "web3": "web2"}, "is named like web"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_cannot_be_placed_halts(haproxy_binary: Path, change: str) -> None:
    """The reload leaves a node that is yet to be rolled at another machine's address, nowhere, or with the
    name of another: it is not touched, nor is any after it, and the release is not blamed."""
    elsewhere, said = CHANGES[change]
    async with web1_out(haproxy_binary) as (it, deploying, _):
        nodes = ("web1", "web3") if elsewhere is None else ("web1", "web2", "web3")
        await reload(it, shop=servers(it, *nodes, **(elsewhere or {})))
    assert await deploying is Outcome.FAILED
    assert it.finished() == ["web1"]
    (halted,) = it.here.told(Halted)
    assert said in halted.reason
    assert not halted.gave_up
    assert not it.hosts["web2"].lines
    assert not it.hosts["web3"].lines


async def test_a_node_that_is_out_and_whose_server_moves_stays_out(haproxy_binary: Path) -> None:
    """Its release may be on the wrong machine: it is not put back, and what was its server is let alone."""
    async with web1_out(haproxy_binary) as (it, deploying, _):
        await reload(it, shop=servers(it, "web1", "web2", "web3", web1="stranger"))
    assert await deploying is Outcome.FAILED
    assert it.failed()["web1"]
    reasons = [event.reason for event in it.here.told(StepFailed) if event.node == "web1"]
    assert any("shop/web1 on lb1 was at" in reason for reason in reasons)
    assert not it.hosts["web2"].lines
