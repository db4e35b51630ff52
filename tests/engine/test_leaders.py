"""Backends whose check passes on one node at a time: what was down by design may be down afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rollout.decisions.progress import NodeProgress
from rollout.domain import Completed, Outcome, Step
from rollout.engine.by_hand import drain_node, make_ready, restore_node
from rollout.engine.checks.preflight import make_plan, require_safe
from rollout.engine.deployment import Deployment
from rollout.engine.site import survey
from rollout.errors import Refused
from rollout.events import ServerNoted, StepFailed, StepFinished, StepStarted
from tests.support.leaders import HAND_OVER, Lead, backends
from tests.support.rolling import Rolling, rolling
from tests.support.shop import CHECKED, Shop
from tests.support.until import until, until_seen
from tests.support.visitors import Visitor, crowd

HOOK: Any = {"before_node": {"command": HAND_OVER, "on": "node"}}


@asynccontextmanager
async def led(
    binary: Path, *, leader: str = "web1", everyone: bool = True, **more: Any
) -> AsyncIterator[tuple[Rolling, Lead]]:
    """A deployment over three nodes, one of which leads."""
    leads: list[Lead] = []

    async def arrange(here: Shop) -> None:
        leads.append(Lead(here, leader))
        await leads[0].begin()

    async with rolling(binary, 3, backends=backends(everyone=everyone), arrange=arrange, **more) as it:
        leads[0].of(it)
        yield it, leads[0]


async def statuses(it: Rolling, node: str) -> dict[str, str]:
    """How HAProxy shows a node in each backend: `UP` or `DOWN`, and what else it may be."""
    return {name.split()[1]: state.status for name, state in (await it.here.states(node)).items()}


async def again(it: Rolling) -> Outcome:
    """Roll all nodes once more."""
    plan, seen = await make_plan(it.site, list(it.here.apps), None, ours={})
    await require_safe(it.site, plan, seen, allow_outage=False)
    return await Deployment(it.site, plan, 2, {}, it.here.events.append, allow_outage=False).run()


@pytest.mark.every_haproxy
async def test_three_deployments_lose_nothing(haproxy_binary: Path) -> None:
    """A hook moves the lead before its node leaves: each node is rolled, whoever leads by then, under
    traffic to all nodes and to the leader."""
    async with (
        led(haproxy_binary, hooks=HOOK) as (it, lead),
        crowd(it.here.balancers[0], "shop", pause=0.005) as shop,
        crowd(it.here.balancers[0], "primary", pause=0.005) as primary,
    ):
        assert it.plan.nodes == ("web2", "web3", "web1")  # the leader is the last
        assert await it.deployment.run() is Outcome.DONE
        assert lead.leader == "web2"
        for _ in range(2):
            assert await again(it) is Outcome.DONE
        assert [app.starts for app in it.here.apps.values()] == [4, 4, 4]
        assert shop.lost + primary.lost == []
        assert [app.cut for app in it.here.apps.values()] == [0, 0, 0]
        assert min(shop.total, primary.total) > 100


async def test_the_plan_says_what_may_stay_down(haproxy_binary: Path) -> None:
    """Of each node: what is down and may stay so, and who is the only one up and goes last."""
    async with led(haproxy_binary, hooks=HOOK) as (it, _):
        assert set(it.plan.notes) == {
            "primary/web2 on lb1 is DOWN before, and may stay DOWN: web2 is well otherwise",
            "primary/web3 on lb1 is DOWN before, and may stay DOWN: web3 is well otherwise",
            "primary/web1 on lb1 is alone up in its backend: web1 is rolled last, and may be DOWN there "
            "afterwards if another node is up",
        }
        assert await it.deployment.run() is Outcome.DONE
        told = [event.detail for event in it.here.told(StepFinished) if event.node == "web3"]
        assert any("primary/web3 on lb1 stays DOWN: it was down before" in detail for detail in told)


async def test_without_a_hook_the_leader_is_not_taken(haproxy_binary: Path) -> None:
    """Nothing would serve its backend: refused beforehand, with what to do."""
    with pytest.raises(Refused) as caught:
        async with led(haproxy_binary):
            raise AssertionError
    assert str(caught.value) == (
        "web1: primary/web1 on lb1 is alone up in its backend, where the other servers are DOWN on nodes "
        "that are well: nothing would serve that backend while web1 is out"
    )
    assert "hooks.before_node" in (caught.value.hint or "")


async def test_a_hook_that_moves_nothing_halts_before_the_leader(haproxy_binary: Path) -> None:
    """The followers are done, and the leader serves on."""
    idle: Any = {"before_node": {"command": "nothing", "on": "node"}}
    async with led(haproxy_binary, hooks=idle, strategy={"patience": "200ms"}) as (it, _):
        assert await it.deployment.run() is Outcome.FAILED
        assert it.finished() == ["web2", "web3"]
        assert it.failed() == {"web1": False}
        assert "primary/web1 on lb1 is the last server" in it.here.told(StepFailed)[-1].reason
        assert await statuses(it, "web1") == {"shop": "UP", "primary": "UP"}


@pytest.mark.every_haproxy
async def test_a_leader_that_comes_back_as_a_follower(haproxy_binary: Path) -> None:
    """With an outage allowed, the lead moves by the restart: the old leader's check fails by design, and it
    returns all the same, since another one leads."""
    async with led(haproxy_binary, leader="web2", allow_outage=True) as (it, lead):
        async with crowd(it.here.balancers[0], "shop", pause=0.01) as shop:
            assert await it.deployment.run() is Outcome.DONE, it.here.told(StepFailed)
        assert lead.leader == "web3"
        assert await statuses(it, "web2") == {"shop": "UP", "primary": "DOWN"}
        assert shop.lost == []


async def test_a_lead_that_moves_during_a_bake(haproxy_binary: Path) -> None:
    """The leader leads again; that another one replaces it while it bakes is no fault of its release."""
    async with led(haproxy_binary, allow_outage=True, strategy={"bake": "500ms"}) as (it, lead):
        it.hosts["web1"].actions["restart"] = it.hosts["web1"].restart
        running = asyncio.create_task(it.deployment.run())
        baking = StepStarted("web1", Step.BAKE)
        await until(lambda: baking in it.here.told(StepStarted), "the bake of the leader")
        await lead.hand_over()
        assert await running is Outcome.DONE, it.here.told(StepFailed)
        assert await statuses(it, "web1") == {"shop": "UP", "primary": "DOWN"}


async def test_a_leader_that_nobody_replaces_must_lead_again(haproxy_binary: Path) -> None:
    """No other server of the backend is up: a check that fails is a failure, as anywhere."""
    health = {"http": "http://{host}:8000/_status", "interval": "10ms", "timeout": "500ms"}
    async with led(haproxy_binary, allow_outage=True, health=health) as (it, lead):

        async def restart_for_nobody() -> Any:
            lead.leader = "nobody"
            lead.leave("")
            return await it.hosts["web1"].restart()

        it.hosts["web1"].actions["restart"] = restart_for_nobody
        assert await it.deployment.run() is Outcome.FAILED
        assert it.failed() == {"web1": True}
        assert "primary/web1 on lb1 shows L7STS" in it.here.told(StepFailed)[-1].reason


@pytest.mark.every_haproxy
async def test_where_only_the_leader_is_up_anywhere(haproxy_binary: Path) -> None:
    """A follower that is down everywhere is well if its health page is right, as behind a Redis master."""
    async with led(haproxy_binary, everyone=False, hooks=HOOK) as (it, lead):
        async with crowd(it.here.balancers[0], "primary", pause=0.005) as primary:
            assert await it.deployment.run() is Outcome.DONE, it.here.told(StepFailed)
        assert it.finished() == ["web2", "web3", "web1"]
        assert primary.lost == []
        assert await statuses(it, lead.leader) == {"primary": "UP"}


async def test_a_node_that_was_ill_must_get_well(haproxy_binary: Path) -> None:
    """Down everywhere, with a page that is wrong as well: HAProxy's check must pass after the restart."""

    async def arrange(here: Shop) -> None:
        for page in ("/_status", "/_check"):
            here.apps["web1"].pages[page].status = 500

        async def down() -> bool:
            return await here.statuses("web1") == {"DOWN"}

        await until_seen(down, "web1 to be DOWN")

    health = {"http": "http://{host}:8000/_status", "interval": "10ms", "timeout": "500ms"}
    async with rolling(haproxy_binary, 2, backends={"shop": CHECKED}, arrange=arrange, health=health) as it:

        async def restart() -> Completed:
            it.here.apps["web1"].pages["/_status"].status = 200
            return await it.hosts["web1"].restart()

        it.hosts["web1"].actions["restart"] = restart
        assert await it.deployment.run() is Outcome.FAILED
        assert it.failed() == {"web1": True}
        assert "shop/web1 on lb1 shows L7STS" in it.here.told(StepFailed)[-1].reason


@pytest.mark.every_haproxy
async def test_by_hand(haproxy_binary: Path) -> None:
    """Drained by hand, a follower is put back by `ready`, although nobody noted what was down before."""
    async with led(haproxy_binary, hooks=HOOK) as (it, _):
        async with crowd(it.here.balancers[0], "primary", pause=0.005) as primary:
            await drain_node(
                it.site, "web2", await survey(it.site), it.here.events.append, allow_outage=False
            )
            assert await statuses(it, "web2") == {"shop": "MAINT", "primary": "MAINT"}
            await make_ready(it.site, "web2", None, await survey(it.site), it.here.events.append)
            assert await statuses(it, "web2") == {"shop": "UP", "primary": "DOWN"}
            await make_ready(it.site, "web2", None, await survey(it.site), it.here.events.append)
        assert set(primary.answers) == {"web1"}
        assert primary.lost == []


async def test_a_node_that_was_left_out_is_restored(haproxy_binary: Path) -> None:
    """Its restart failed; with its cause gone, it is put back everywhere, by what was noted."""
    async with led(haproxy_binary, hooks=HOOK) as (it, _):
        notes = tuple(
            ServerNoted("web2", s.load_balancer, s.backend, s.name, 0, 1, "", standing=known.standing)
            for s, known in it.plan.before.items()
            if s.name == "web2"
        )
        it.fail("web2")
        assert await it.deployment.run() is Outcome.FAILED
        assert await statuses(it, "web2") == {"shop": "MAINT", "primary": "MAINT"}
        await it.here.balancers[0].reload(keep_state=True)
        node = NodeProgress("web2", servers=notes)
        await restore_node(it.site, node, await survey(it.site), it.here.events.append)
        assert await statuses(it, "web2") == {"shop": "UP", "primary": "DOWN"}


@pytest.mark.every_haproxy
async def test_what_is_given_back_was_down_and_stays_down(haproxy_binary: Path) -> None:
    """A drain that ends early leaves maintenance, which makes a server UP unchecked: a follower gets no
    request for the leader all the same."""
    async with led(haproxy_binary, hooks=HOOK) as (it, _):
        slow = asyncio.create_task(Visitor(it.here.balancers[0], "shop").get("/hold"))
        others = [asyncio.create_task(Visitor(it.here.balancers[0], "shop").get("/hold")) for _ in range(2)]
        await until(lambda: it.here.apps["web2"].running == 1, "the slow request")
        async with crowd(it.here.balancers[0], "primary", pause=0.01) as primary:
            running = asyncio.create_task(it.deployment.run())

            async def held() -> bool:
                return await statuses(it, "web2") == {"shop": "DRAIN", "primary": "MAINT"}

            await until_seen(held, "maintenance in the one, and the drain in the other")
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert await statuses(it, "web2") == {"shop": "UP", "primary": "DOWN"}
            before = primary.total
            await until(lambda: primary.total > before + 20, "some traffic")
        assert set(primary.answers) == {"web1"}
        for app in it.here.apps.values():
            app.let_go()
        assert {status for status, _ in await asyncio.gather(slow, *others)} == {200}
