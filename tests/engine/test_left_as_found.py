"""What others took out of rotation before a deployment: skipped, or deployed and left as it was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rollout.decisions.progress import NodeProgress
from rollout.domain import AdminState, Outcome, Step
from rollout.engine.by_hand import restore_node
from rollout.engine.site import survey
from rollout.events import ServerNoted, StepFinished
from tests.support.rolling import CHECK, rolling
from tests.support.until import until, until_seen
from tests.support.visitors import Visitor, crowd

READY, DRAIN, MAINT = AdminState.READY, AdminState.FORCED_DRAIN, AdminState.FORCED_MAINT
OUT = {
    "maint": ("set server shop/web1 state maint", MAINT, 10),
    "drain": ("set server shop/web1 state drain", DRAIN, 10),
    "weight": ("set server shop/web1 weight 0", READY, 0),
}
WEIGHTS = {
    "shop": (
        *CHECK,
        "default-server weight 10",
        "server web1 {web1}",
        "server web2 {web2}",
        "server web3 {web3}",
    )
}
STICKY = {
    "shop": (
        *CHECK,
        "cookie SERVER insert indirect",
        "server web1 {web1} cookie web1",
        "server web2 {web2} cookie web2",
        "server web3 {web3} cookie web3",
    )
}


@pytest.mark.parametrize("how", OUT)
async def test_by_default_it_is_skipped(haproxy_binary: Path, how: str) -> None:
    """A node that is out on one of two load balancers is not touched; the others are deployed."""
    command, admin, weight = OUT[how]

    async with rolling(haproxy_binary, 3, backends=WEIGHTS, balancers=2, found={"lb2": [command]}) as it:
        assert list(it.plan.skipped) == ["web1"]
        assert it.plan.skipped["web1"].startswith("shop/web1 on lb2 ")
        assert await it.deployment.run() is Outcome.DONE
        assert it.finished() == ["web2", "web3"]
        assert it.here.apps["web1"].starts == 1
        assert await it.admin("web1") == {"lb1": (READY, 10), "lb2": (admin, weight)}


@pytest.mark.parametrize("where", [["lb2"], ["lb1", "lb2"]])
@pytest.mark.parametrize("how", OUT)
async def test_included_it_is_left_as_it_was(haproxy_binary: Path, how: str, where: list[str]) -> None:
    """Under traffic, the application is restarted; what was out is out as before, and the rest is back."""
    command, admin, weight = OUT[how]
    as_found = {lb: (admin, weight) if lb in where else (READY, 10) for lb in ("lb1", "lb2")}

    found = {lb: [command] for lb in where}
    async with (
        rolling(
            haproxy_binary,
            3,
            backends=WEIGHTS,
            balancers=2,
            found=found,
            include_out_of_rotation=True,
        ) as it,
        crowd(it.here.balancers[0], "shop") as one,
        crowd(it.here.balancers[1], "shop") as two,
    ):
        assert await it.deployment.run() is Outcome.DONE
        assert it.finished() == ["web1", "web2", "web3"]
        assert it.here.apps["web1"].starts == 2
        assert await it.admin("web1") == as_found
        assert await it.admin("web2") == dict.fromkeys(("lb1", "lb2"), (READY, 10))
        if "lb1" not in where:
            answered = one.answers["web1"]
            await until(lambda: one.answers["web1"] > answered, "traffic through lb1")
        assert two.answers["web1"] == 0
        assert one.lost + two.lost == []
        assert (it.here.apps["web1"].cut, it.here.apps["web1"].early) == (0, [])
        if how != "weight":
            told = [e.detail for e in it.here.told(StepFinished) if e.step is Step.READY]
            assert f"shop/web1 on {where[-1]} stays out, as before" in told[0]


async def test_one_that_was_drained_is_drained_all_the_same(haproxy_binary: Path) -> None:
    """A drained server still serves clients that are pinned to it: they are waited for before the restart."""
    found = {"lb1": ["set server shop/web1 state drain"]}
    async with rolling(haproxy_binary, 3, backends=STICKY, found=found, include_out_of_rotation=True) as it:
        app = it.here.apps["web1"]
        visitor = Visitor(it.here.balancers[0], "shop")
        visitor.cookie = "SERVER=web1"
        slow = asyncio.create_task(visitor.get("/hold"))
        await until(lambda: app.running == 1, "the slow request")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.drained_from() == ["web1"], "the drain")
        app.let_go()
        assert await slow == (200, "web1")
        assert await running is Outcome.DONE
        assert app.cut == 0
        assert await it.admin("web1") == {"lb1": (DRAIN, 1)}

        async def up() -> bool:
            return await it.status("web1") == "DRAIN"

        await until_seen(up, "its checks to pass")


LIGHT = ("set server shop/web1 weight 7", READY, 7)


@pytest.mark.parametrize("how", [*OUT, "light"])
async def test_a_reload_in_the_middle_loses_no_decision(haproxy_binary: Path, how: str) -> None:
    """HAProxy is reloaded while the application restarts: what was out is out again, and a weight is back."""
    command, admin, weight = {**OUT, "light": LIGHT}[how]

    async with rolling(
        haproxy_binary, 3, backends=WEIGHTS, found={"lb1": [command]}, include_out_of_rotation=True
    ) as it:
        restart = it.hold("web1")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1"), "the restart")
        await it.here.balancers[0].reload()

        async def held() -> bool:
            return await it.admin("web1") == {"lb1": (MAINT, 10)}

        await until_seen(held, "the hold after the reload, which forgot the weight")
        restart.set()
        assert await running is Outcome.DONE
        assert it.finished() == ["web1", "web2", "web3"]
        assert await it.admin("web1") == {"lb1": (admin, weight)}


@pytest.mark.parametrize("how", OUT)
async def test_a_drain_that_is_ended_gives_back_what_was_found(haproxy_binary: Path, how: str) -> None:
    """Cancelled while the node drains on another load balancer, the one where it was out is as before."""
    command, admin, weight = OUT[how]

    found = {"lb2": [command]}
    async with rolling(
        haproxy_binary, 3, backends=WEIGHTS, balancers=2, found=found, include_out_of_rotation=True
    ) as it:
        app = it.here.apps["web1"]
        slow = [asyncio.create_task(Visitor(it.here.balancers[0], "shop").get("/hold")) for _ in range(3)]
        await until(lambda: app.running == 1, "the slow request")
        running = asyncio.create_task(it.deployment.run())

        async def held_there() -> bool:
            return (await it.admin("web1")) == {"lb1": (DRAIN, 10), "lb2": (MAINT, weight)}

        await until_seen(held_there, "the drain on one, and the hold on the other")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await it.admin("web1") == {"lb1": (READY, 10), "lb2": (admin, weight)}
        assert it.failed() == {"web1": False}
        for each in it.here.apps.values():
            each.let_go()
        assert {status for status, _ in await asyncio.gather(*slow)} == {200}


@pytest.mark.parametrize("how", [*OUT, "light"])
async def test_restoring_brings_back_what_was_found(haproxy_binary: Path, how: str) -> None:
    """A node whose restart failed stays out everywhere; restored, each server is as it was before."""
    command, admin, weight = {**OUT, "light": LIGHT}[how]

    found = {"lb2": [command]}
    async with rolling(
        haproxy_binary, 3, backends=WEIGHTS, balancers=2, found=found, include_out_of_rotation=True
    ) as it:
        noted = [
            ServerNoted("web1", s.load_balancer, s.backend, s.name, int(was.admin), was.weight, "")
            for s in it.plan.placement["web1"]
            for was in [it.plan.before[s]]
        ]
        it.fail("web1")
        assert await it.deployment.run() is Outcome.FAILED
        assert {each for each, _ in (await it.admin("web1")).values()} == {MAINT}
        await it.here.balancers[1].reload()
        await it.here.haproxies["lb2"].send(["set server shop/web1 state maint"])
        node = NodeProgress("web1", servers=tuple(noted))
        await restore_node(it.site, node, await survey(it.site), it.here.events.append)
        assert await it.admin("web1") == {"lb1": (READY, 10), "lb2": (admin, weight)}


async def test_a_weight_that_was_set_since_is_not_restored_away(haproxy_binary: Path) -> None:
    """Neither the noted weight nor the configured one: somebody has set it, and it stays."""
    async with rolling(haproxy_binary, 3, backends=WEIGHTS) as it:
        note = ServerNoted("web1", "lb1", "shop", "web1", 0, 7, "UP")
        await it.here.haproxies["lb1"].send(
            ["set server shop/web1 state maint;set server shop/web1 weight 3"]
        )
        node = NodeProgress("web1", servers=(note,))
        await restore_node(it.site, node, await survey(it.site), it.here.events.append)
        assert await it.admin("web1") == {"lb1": (READY, 3)}
