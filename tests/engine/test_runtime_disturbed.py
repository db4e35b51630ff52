"""What others do while a node is out: reloads, operators, and clients that are pinned to it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rollout.domain import Step
from rollout.errors import StepFailure
from rollout.events import CommandSent
from tests.support.shop import Shop, shop
from tests.support.until import until, until_seen
from tests.support.visitors import Visitor, crowd

pytestmark = pytest.mark.every_haproxy

STICKY = (
    "option httpchk GET /_check",
    "default-server check inter 50ms rise 2 fall 2",
    "cookie SERVER insert indirect",
    "server web1 {web1} cookie web1",
    "server web2 {web2} cookie web2",
)


async def drain_with_a_running_request(
    here: Shop,
) -> tuple[asyncio.Task[None], asyncio.Task[tuple[int, str]]]:
    """A drain that waits for a request, and that request. It writes no state file."""
    app, rotation = here.apps["web1"], here.rotation(apart=True, pinned="move")
    visitor = Visitor(here.balancers[0], "shop")
    visitor.cookie = "SERVER=web1"
    slow = asyncio.create_task(visitor.get("/hold"))
    await until(lambda: app.running == 1, "the slow request")
    await rotation.leave(here.log())
    draining = asyncio.create_task(rotation.drained(here.log()))

    async def moved() -> bool:
        return await here.statuses() == {"MAINT"}

    await until_seen(moved, "the maintenance that moves pinned clients")
    return draining, slow


@pytest.mark.parametrize("keep_state", [False, True])
async def test_a_reload_during_the_drain_is_made_good(haproxy_binary: Path, keep_state: bool) -> None:
    """HAProxy is reloaded while a node drains: it ends in maintenance, and no request is lost."""
    async with shop(haproxy_binary, {"shop": STICKY}) as here:
        async with crowd(here.balancers[0], "shop", fresh=True) as seen:
            draining, slow = await drain_with_a_running_request(here)
            await here.balancers[0].reload(keep_state=keep_state)
            here.apps["web1"].let_go()
            assert await slow == (200, "web1")
            await draining
            assert await here.statuses() == {"MAINT"}
            drains = [event for event in here.told(CommandSent) if event.line.endswith("state drain")]
            assert len(drains) == (1 if keep_state else 2)
        assert [line for line in seen.lost if not line.startswith("ConnectionRe")] == []


async def test_a_reload_before_the_restart_is_noticed(haproxy_binary: Path) -> None:
    """HAProxy is reloaded after a node was drained: it is drained again before its application is touched."""
    async with shop(haproxy_binary) as here:
        rotation = here.rotation()
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        await here.balancers[0].reload()
        assert all(state.in_rotation for state in (await here.states()).values())
        app = here.apps["web1"]
        slow = [asyncio.create_task(Visitor(here.balancers[0], "shop").get("/hold")) for _ in range(2)]
        await until(lambda: app.running == 1, "a request to the node")
        last_look = asyncio.create_task(rotation.still_out(here.log(Step.RESTART)))

        async def drains() -> bool:
            return await here.statuses() == {"DRAIN"}

        await until_seen(drains, "a second drain")
        assert not last_look.done()
        app.let_go()
        here.apps["web2"].let_go()
        assert sorted(await asyncio.gather(*slow)) == [(200, "web1"), (200, "web2")]
        await last_look
        assert await here.statuses() == {"MAINT"}


async def test_a_reload_that_keeps_the_state_needs_nothing(haproxy_binary: Path) -> None:
    """A reload with a state file leaves a node in maintenance there; nothing is sent again."""
    async with shop(haproxy_binary) as here:
        rotation = here.rotation()
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        await here.balancers[0].reload(keep_state=True)
        sent = len(here.told(CommandSent))
        await rotation.still_out(here.log())
        assert len(here.told(CommandSent)) == sent
        assert await here.statuses() == {"MAINT"}


async def test_reloads_all_the_time_break_nothing(haproxy_binary: Path) -> None:
    """The way out and back ends well while HAProxy is reloaded again and again."""
    async with shop(haproxy_binary) as here:
        ending = False

        checks = here.apps["web1"].requests

        async def reload() -> None:
            while not ending:
                checks.clear()
                await here.balancers[0].reload()
                await until(lambda: ending or checks["/_check"] > 5, "a few checks")

        reloads = asyncio.create_task(reload())
        for _ in range(5):
            rotation = here.rotation()
            await rotation.leave(here.log())
            await rotation.drained(here.log())
            await rotation.still_out(here.log())
            await rotation.prove(here.log())
            await rotation.enter(here.log())
        ending = True
        await reloads


async def test_an_operator_who_puts_it_back_is_respected(haproxy_binary: Path) -> None:
    """A `ready` by somebody else during the drain is a failure that names the server."""
    async with shop(haproxy_binary, {"shop": STICKY}) as here:
        draining, slow = await drain_with_a_running_request(here)
        await here.balancers[0].ask("set server shop/web1 state ready")
        with pytest.raises(StepFailure, match=r"someone else changed it .* shop/web1 on lb1 shows UP"):
            await draining
        here.apps["web1"].let_go()
        assert await slow == (200, "web1")


@pytest.mark.parametrize("state", ["ready", "drain"])
async def test_an_operator_who_ends_the_hold_is_noticed(haproxy_binary: Path, state: str) -> None:
    """A maintenance that somebody else ended before the restart is a failure that names the server."""
    async with shop(haproxy_binary) as here:
        rotation = here.rotation()
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        await here.balancers[0].ask(f"set server shop/web1 state {state}")
        with pytest.raises(StepFailure, match=r"someone else changed it .* shop/web1 on lb1"):
            await rotation.still_out(here.log())


async def test_pinned_clients_lose_nothing(haproxy_binary: Path) -> None:
    """Clients pinned to the node ask on while it is drained, killed, started and put back: all get 200."""
    async with shop(haproxy_binary, {"shop": STICKY}) as here:
        app = here.apps["web1"]
        async with crowd(here.balancers[0], "shop", size=6, target="/?delay=0.004", pause=0.01) as seen:
            await until(lambda: seen.answers["web1"] > 20, "pinned clients")
            rotation = here.rotation()
            await rotation.leave(here.log())
            await rotation.drained(here.log())
            await rotation.still_out(here.log())
            app.stop()
            app.up = False
            app.pages["/_check"].status = 503
            answered = seen.answers["web2"]
            await until(lambda: seen.answers["web2"] > answered + 50, "traffic without it")
            await app.start()
            proving = asyncio.create_task(rotation.prove(here.log()))
            checks = app.requests["/_check"]
            await until(lambda: app.requests["/_check"] > checks + 1, "failed checks")
            app.up = True
            app.pages["/_check"].status = 200
            await proving
            await rotation.enter(here.log())
            answered = seen.total
            await until(lambda: seen.total > answered + 50, "traffic with it")
        assert seen.lost == []
        assert app.early == []
        assert app.cut == 0


async def test_without_a_drain_pinned_clients_do_lose(haproxy_binary: Path) -> None:
    """The same traffic loses requests when the node is just killed: the loss would be seen."""
    async with (
        shop(haproxy_binary, {"shop": STICKY}) as here,
        crowd(here.balancers[0], "shop", size=6, target="/?delay=0.004", pause=0.01) as seen,
    ):
        await until(lambda: seen.answers["web1"] > 20, "pinned clients")
        here.apps["web1"].stop()
        await until(lambda: seen.lost != [], "a lost request")
