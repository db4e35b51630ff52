"""Leaving by the runtime socket, with real HAProxy."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rollout.domain import Server
from rollout.errors import LoadBalancerError, StepFailure
from rollout.events import Progressed
from tests.support.shop import CHECKED, shop
from tests.support.until import until, until_seen
from tests.support.visitors import Visitor

pytestmark = pytest.mark.every_haproxy

ONLY_WEB1 = (*CHECKED[:2], "server web1 {web1}")


async def test_a_running_request_is_waited_for(haproxy_binary: Path) -> None:
    """A drain ends only when the slow request that ran has got its 200; then the server is in maintenance."""
    async with shop(haproxy_binary, {"shop": ONLY_WEB1}) as here:
        app, rotation = here.apps["web1"], here.rotation()
        slow = asyncio.create_task(Visitor(here.balancers[0], "shop").get("/hold"))
        await until(lambda: app.running == 1, "the slow request")
        await rotation.leave(here.log())
        draining = asyncio.create_task(rotation.drained(here.log()))
        await until(lambda: here.told(Progressed) != [], "a look at the sessions")
        assert here.told(Progressed)[-1].sessions == 1
        assert await here.statuses() == {"DRAIN"}
        assert not draining.done()
        app.let_go()
        assert await slow == (200, "web1")
        await draining
        assert here.told(Progressed)[-1].detail == "lb1 drained"
        assert await here.statuses() == {"MAINT"}
        await rotation.still_out(here.log())


@pytest.mark.parametrize(("balancer", "backend"), [(0, "shop"), (0, "api"), (1, "shop"), (1, "api")])
async def test_every_backend_of_every_load_balancer_counts(
    haproxy_binary: Path, balancer: int, backend: str
) -> None:
    """One request through any backend of any load balancer is enough for the node not to be drained."""
    backends = {"shop": ONLY_WEB1, "api": ONLY_WEB1}
    async with shop(haproxy_binary, backends, balancers=2) as here:
        app, rotation = here.apps["web1"], here.rotation()
        slow = asyncio.create_task(Visitor(here.balancers[balancer], backend).get("/hold"))
        await until(lambda: app.running == 1, "the slow request")
        await rotation.leave(here.log())
        draining = asyncio.create_task(rotation.drained(here.log()))

        async def rest_in_maintenance() -> bool:
            states = await here.states()
            busy = states.pop(f"lb{balancer + 1} {backend}")
            assert busy.status == "DRAIN"
            return {state.status for state in states.values()} == {"MAINT"}

        await until_seen(rest_in_maintenance, "the others in maintenance")
        assert not draining.done()
        app.let_go()
        assert await slow == (200, "web1")
        await draining
        assert await here.statuses() == {"MAINT"}


async def test_a_queued_request_counts(haproxy_binary: Path) -> None:
    """A request that waits in the server's own queue is waited for like one that runs."""
    backends = {"shop": (*CHECKED[:2], "cookie S insert", "server web1 {web1} cookie web1 maxconn 1")}
    async with shop(haproxy_binary, backends) as here:
        app, rotation = here.apps["web1"], here.rotation()
        visitors = [Visitor(here.balancers[0], "shop") for _ in range(3)]
        for visitor in visitors:
            visitor.cookie = "S=web1"
        slow = [asyncio.create_task(visitor.get("/hold")) for visitor in visitors]

        async def queued() -> bool:
            return (await here.states())["lb1 shop"].queued == 2

        await until_seen(queued, "two queued requests")
        await rotation.leave(here.log())
        draining = asyncio.create_task(rotation.drained(here.log()))
        await until(lambda: here.told(Progressed) != [], "a look at the sessions")
        assert here.told(Progressed)[0].sessions == 3
        app.let_go()
        assert await asyncio.gather(*slow) == [(200, "web1")] * 3
        await draining


async def test_a_timeout_says_what_is_left_and_where(haproxy_binary: Path) -> None:
    """A drain that takes too long fails with the number of sessions on each server; given back, it serves."""
    async with shop(haproxy_binary, {"shop": ONLY_WEB1}, balancers=2) as here:
        app, rotation = here.apps["web1"], here.rotation(timeout="100ms")
        slow = [asyncio.create_task(Visitor(here.balancers[1], "shop").get("/hold")) for _ in range(2)]
        await until(lambda: app.running == 2, "two slow requests")
        await rotation.leave(here.log())
        with pytest.raises(StepFailure, match=r"within 0\.1 s: sessions left: 2 on shop/web1 on lb2: 127\."):
            await rotation.drained(here.log())
        await rotation.give_back(here.log())
        assert all(state.in_rotation for state in (await here.states()).values())
        assert await Visitor(here.balancers[0], "shop").get() == (200, "web1")
        app.let_go()
        assert await asyncio.gather(*slow) == [(200, "web1")] * 2


async def test_close_ends_the_sessions_and_counts_them(haproxy_binary: Path) -> None:
    """With `on_timeout: close` what is left on every load balancer is ended and counted."""
    async with shop(haproxy_binary, {"shop": ONLY_WEB1}, balancers=2) as here:
        app, rotation, log = here.apps["web1"], here.rotation(timeout="50ms", on_timeout="close"), here.log()
        slow = [
            asyncio.create_task(Visitor(lb, "shop").get("/hold"))
            for lb in (here.balancers[0], here.balancers[1], here.balancers[1])
        ]
        await until(lambda: app.running == 3, "slow requests")
        await rotation.leave(log)
        await rotation.drained(log)
        assert "1 session ended on lb1" in log.detail
        assert "2 sessions ended on lb2" in log.detail
        for lost in await asyncio.gather(*slow, return_exceptions=True):
            assert isinstance(lost, EOFError | OSError) or (isinstance(lost, tuple) and lost[0] == 502)
        await until(lambda: app.running == 0, "the end of the requests")
        await rotation.still_out(log)


async def test_close_leaves_a_request_its_last_moment(haproxy_binary: Path) -> None:
    """A request that ends soon after the timeout is not cut by `on_timeout: close`."""
    async with shop(haproxy_binary, {"shop": ONLY_WEB1}) as here:
        app, rotation, log = here.apps["web1"], here.rotation(timeout="50ms", on_timeout="close"), here.log()
        slow = asyncio.create_task(Visitor(here.balancers[0], "shop").get("/hold"))
        await until(lambda: app.running == 1, "the slow request")
        await rotation.leave(log)
        draining = asyncio.create_task(rotation.drained(log))

        async def in_maintenance() -> bool:
            return await here.statuses() == {"MAINT"}

        await until_seen(in_maintenance, "maintenance")
        app.let_go()
        assert await slow == (200, "web1")
        await draining
        assert log.detail == ""


async def test_a_tcp_connection_counts_while_it_lasts(haproxy_binary: Path) -> None:
    """In TCP mode an open connection, idle or not, keeps the node from being drained."""
    async with shop(haproxy_binary, {"shop": ("mode tcp", *ONLY_WEB1)}, settings=("mode tcp",)) as here:
        rotation, visitor = here.rotation(), Visitor(here.balancers[0], "shop")
        assert await visitor.get() == (200, "web1")
        await rotation.leave(here.log())
        draining = asyncio.create_task(rotation.drained(here.log()))
        await until(lambda: here.told(Progressed) != [], "a look at the sessions")
        assert await visitor.get() == (200, "web1")
        assert not draining.done()
        visitor.close()
        await draining
        assert await here.statuses() == {"MAINT"}


async def test_a_server_that_is_missing_is_named(haproxy_binary: Path) -> None:
    """A drain of a server that HAProxy does not have fails and names it."""
    async with shop(haproxy_binary) as here:
        rotation = here.rotation()
        rotation._rotations[0]._servers.all += (Server("lb1", "shop", "gone"),)
        with pytest.raises(StepFailure, match="no longer has shop/gone on lb1"):
            await rotation.leave(here.log())


async def test_what_can_be_given_back_is(haproxy_binary: Path) -> None:
    """When one load balancer is gone, the node still goes back into rotation on the other one."""
    async with shop(haproxy_binary, balancers=2) as here:
        rotation = here.rotation(patience=0.0)
        await rotation.leave(here.log())
        here.balancers[0].stop()
        with pytest.raises(LoadBalancerError, match="lb1"):
            await rotation.give_back(here.log())
        states = (await here.haproxies["lb2"].read()).servers
        assert all(state.in_rotation for state in states)


async def test_servers_in_maintenance_are_not_woken(haproxy_binary: Path) -> None:
    """Draining a node that is in maintenance, its application down, lets no pinned client reach it."""
    backends = {
        "shop": (
            "cookie S insert indirect",
            "server web1 {web1} cookie web1",
            "server web2 {web2} cookie web2",
        )
    }
    async with shop(haproxy_binary, backends) as here:
        await here.haproxies["lb1"].send(["set server shop/web1 state maint"])
        rotation, web1 = here.rotation(), here.apps["web1"]
        web1.up = False
        visitor = Visitor(here.balancers[0], "shop")
        visitor.cookie = "S=web1"
        asking = True

        async def pinned() -> None:
            while asking:
                assert await visitor.get() == (200, "web2")
                visitor.cookie = "S=web1"

        visits = asyncio.create_task(pinned())
        for _ in range(5):
            await rotation.leave(here.log())
            await rotation.drained(here.log())
        asking = False
        await visits
        assert web1.early == []
        assert await here.statuses() == {"MAINT"}
