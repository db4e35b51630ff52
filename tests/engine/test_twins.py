"""HAProxy's clock is not waited for: a twin of each server is checked at once. With real HAProxy."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path

import pytest

from rollout.domain import Step
from rollout.engine.rotation.by_socket import SocketRotation
from rollout.errors import Fallen
from tests.support.shop import Shop, shop
from tests.support.until import until, until_seen
from tests.support.visitors import Seen, crowd

pytestmark = pytest.mark.every_haproxy

SELDOM = "default-server check inter 60s fastinter 100ms rise 2 fall 2"
"""The first checks after a start come soon, all others late."""
NODES = ("server web1 {web1}", "server web2 {web2}")
PAGE = "option httpchk GET /_check"


async def take_out(here: Shop) -> SocketRotation:
    rotation = here.rotation()
    await rotation.leave(here.log())
    await rotation.drained(here.log())
    await rotation.still_out(here.log())
    return rotation


async def twins(here: Shop) -> set[str]:
    readings = [await haproxy.read() for haproxy in here.haproxies.values()]
    return {twin.server.path for reading in readings for twin in reading.twins}


async def test_no_interval_is_waited_for(haproxy_binary: Path) -> None:
    """With checks a minute apart a node is back at once in backends of all kinds, and no twin is left."""
    backends = {
        "robin": (PAGE, "balance roundrobin", SELDOM, *NODES),
        "least": (PAGE, "balance leastconn", SELDOM, *NODES),
        "random": (PAGE, "balance random", SELDOM, *NODES),
        "first": (PAGE, "balance first", SELDOM, *NODES),
        "ring": (PAGE, "balance source", "hash-type consistent", SELDOM, *NODES),
        "sticky": (
            PAGE,
            "cookie at insert",
            SELDOM,
            "server web1 {web1} cookie 1",
            "server web2 {web2} cookie 2",
        ),
        "rules": (
            "option httpchk",
            "http-check connect",
            "http-check send meth GET uri /_check ver HTTP/1.1 hdr Host shop",
            "http-check expect status 200",
            SELDOM,
            *NODES,
        ),
        "connecting": (SELDOM, *NODES),
        "tracking": ("server web1 {web1} track robin/web1", "server web2 {web2} track robin/web2"),
    }
    async with shop(haproxy_binary, backends) as here, crowd(here.balancers[0], "robin") as seen:
        rotation = await take_out(here)
        async with asyncio.timeout(10):
            await rotation.prove(here.log(Step.VERIFY))
            assert await here.statuses() & {"UP", "UP 1/2"} == set()
            assert len(await twins(here)) == 8
            await rotation.enter(here.log(Step.READY))
        assert await here.statuses() == {"UP"}
        assert await twins(here) == set()
        web1 = seen.answers["web1"]
        await until(lambda: seen.answers["web1"] > web1, "traffic")
        assert seen.lost == []


async def test_backends_that_take_no_new_server(haproxy_binary: Path) -> None:
    """Where HAProxy adds no server, its own check is waited for."""
    often = "default-server check inter 200ms rise 1 fall 2"
    backends = {
        "static": (PAGE, "balance static-rr", often, *NODES),
        "hash": (PAGE, "balance source", "hash-type map-based", often, *NODES),
        "robin": (PAGE, often, *NODES),
    }
    async with shop(haproxy_binary, backends) as here:
        rotation = await take_out(here)
        await rotation.prove(here.log(Step.VERIFY))
        await rotation.enter(here.log(Step.READY))
        assert await here.statuses() == {"UP"}
        assert await twins(here) == set()


async def test_an_ill_node_is_not_proven(haproxy_binary: Path) -> None:
    """A twin is checked as its server is: a node whose page is wrong stays out, and its twin is removed."""
    async with shop(haproxy_binary, {"shop": (PAGE, SELDOM, *NODES)}) as here:
        await take_out(here)
        rotation = here.rotation(rejoin_timeout=0.5)
        page = here.apps["web1"].pages["/_check"]
        page.status = 503
        here.configurations.clear()  # the limit is not the interval
        proving = asyncio.create_task(rotation.prove(here.log(Step.VERIFY)))
        asked = here.apps["web1"].requests["/_check"]
        await until(lambda: here.apps["web1"].requests["/_check"] >= asked + 3, "checks of the twin")
        assert await here.statuses() == {"DOWN"}
        assert not proving.done()
        proving.cancel()
        await asyncio.gather(proving, return_exceptions=True)
        await rotation.stay_out(here.log(Step.VERIFY))
        assert await here.statuses() == {"MAINT"}
        assert await twins(here) == set()


async def test_its_own_first_check_must_confirm_it(haproxy_binary: Path) -> None:
    """A node whose own check fails right after its twin's passed is out at the first failure, not after
    `fall` of them."""
    late = "default-server check inter 1500ms fastinter 100ms rise 2 fall 20"
    async with shop(haproxy_binary, {"shop": (PAGE, late, *NODES)}) as here:
        rotation = await take_out(here)
        await rotation.prove(here.log(Step.VERIFY))
        await rotation.enter(here.log(Step.READY))
        here.apps["web1"].pages["/_check"].status = 503
        with pytest.raises(Fallen, match="failed as soon as the node was back: shop/web1 on lb1 shows L7STS"):
            await rotation.confirm(lambda: nullcontext(here.log(Step.BAKE)))
        assert await here.statuses() == {"DOWN"}


async def test_a_first_check_that_passes(haproxy_binary: Path) -> None:
    """The watch over a node that is well ends by itself, once its first check must have come."""
    late = "default-server check inter 400ms fastinter 100ms rise 2 fall 2"
    async with shop(haproxy_binary, {"shop": (PAGE, late, *NODES)}) as here:
        rotation = await take_out(here)
        await rotation.prove(here.log(Step.VERIFY))
        await rotation.enter(here.log(Step.READY))
        await rotation.confirm(lambda: nullcontext(here.log(Step.BAKE)))
        assert await here.statuses() == {"UP"}


async def test_a_reload_while_twins_are_checked(haproxy_binary: Path) -> None:
    """A reload forgets the twins: the new process gets its own, and proves the node by them."""
    async with shop(haproxy_binary, {"shop": (PAGE, SELDOM, *NODES)}) as here:
        rotation = await take_out(here)
        page = here.apps["web1"].pages["/_check"]
        page.status = 503
        proving = asyncio.create_task(rotation.prove(here.log(Step.VERIFY)))
        await until_seen(lambda: _has_twin(here), "a twin")
        await here.balancers[0].reload()
        await until_seen(lambda: _has_twin(here), "a twin of the new process")
        page.status = 200
        await proving
        await rotation.enter(here.log(Step.READY))
        assert await here.statuses() == {"UP"}
        assert await twins(here) == set()


async def test_a_person_who_meddles_with_a_twin(haproxy_binary: Path) -> None:
    """Whatever is done to a twin, it gets no request, and the node is proven by its own check if need be."""
    soon = "default-server check inter 1s fastinter 100ms rise 1 fall 2"
    async with (
        shop(haproxy_binary, {"shop": (PAGE, soon, *NODES)}) as here,
        crowd(here.balancers[0], "shop") as seen,
    ):
        for command in (
            "state ready",
            "health up;set server {twin} state ready",
            "state maint;del server {twin}",
        ):
            rotation = await take_out(here)
            app = here.apps["web1"]
            app.up, app.pages["/_check"].status = False, 503
            proving = asyncio.create_task(rotation.prove(here.log(Step.VERIFY)))
            await until_seen(lambda: _has_twin(here), "a twin")
            (twin,) = await twins(here)
            await here.balancers[0].ask(f"set server {twin} {command}".format(twin=twin))
            await some_traffic(seen)
            app.up, app.pages["/_check"].status = True, 200
            await proving
            await rotation.enter(here.log(Step.READY))
            assert await here.statuses() == {"UP"}
            assert await twins(here) == set()
        assert here.apps["web1"].early == []
        assert seen.lost == []


async def some_traffic(seen: Seen) -> None:
    answered = seen.total
    await until(lambda: seen.total > answered + 50, "some traffic")


async def _has_twin(here: Shop) -> bool:
    return bool(await twins(here))
