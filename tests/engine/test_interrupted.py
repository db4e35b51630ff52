"""A deployment that is ended at once brings each node to a safe end, in whichever step it is."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rollout.domain import Completed, Outcome, Step
from rollout.engine.deployment import Deployment
from rollout.engine.steps import node as node_module
from rollout.events import DeploymentFinished, Halted, NodeFailed, StepFailed, StepStarted
from tests.support.rolling import Rolling, rolling
from tests.support.until import until, until_seen
from tests.support.visitors import Visitor, crowd

COMMANDS: Any = {"prepare": {"command": "prepare"}, "release": {"command": "release"}}


def begun(it: Rolling, node: str, step: Step) -> bool:
    return any((event.node, event.step) == (node, step) for event in it.here.told(StepStarted))


def block(it: Rolling, node: str, line: str) -> None:
    """Have a command on a node take for ever."""

    async def never() -> Completed:
        await asyncio.Event().wait()
        raise AssertionError

    it.hosts[node].actions[line] = never


async def interrupt(it: Rolling, running: asyncio.Task[Outcome]) -> None:
    it.deployment.interrupt("enough")
    with pytest.raises(asyncio.CancelledError):
        await running
    assert it.here.told(Halted)[-1].reason == "enough"
    ended = it.here.events[-1]
    assert isinstance(ended, DeploymentFinished)
    assert (ended.outcome, ended.reason) == (Outcome.INTERRUPTED, "enough")


async def is_in_rotation(it: Rolling, node: str) -> bool:
    return all(state.in_rotation for state in (await it.here.states(node)).values())


async def test_while_nodes_prepare(haproxy_binary: Path) -> None:
    """No node was touched, and all are said to serve as before."""
    async with rolling(haproxy_binary, 2, new_release="2", **COMMANDS) as it:
        for node in it.hosts:
            block(it, node, "prepare")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: begun(it, "web2", Step.PREPARE), "both to prepare")
        await interrupt(it, running)
        assert it.failed() == {"web1": False, "web2": False}
        assert it.drained_from() == []
        assert [await is_in_rotation(it, node) for node in it.hosts] == [True, True]


async def test_while_a_node_drains(haproxy_binary: Path) -> None:
    """It serves again, untouched, and the request that it ran gets its answer."""
    async with rolling(haproxy_binary, 2, balancers=2) as it:
        app = it.here.apps["web1"]
        slow = [asyncio.create_task(Visitor(it.here.balancers[0], "shop").get("/hold")) for _ in range(2)]
        await until(lambda: app.running == 1, "the slow request")
        running = asyncio.create_task(it.deployment.run())

        async def drains() -> bool:
            return await it.status("web1") == "DRAIN"

        await until_seen(drains, "the drain")
        await interrupt(it, running)
        assert await is_in_rotation(it, "web1")
        assert (it.failed(), app.starts) == ({"web1": False}, 1)
        for each in it.here.apps.values():
            each.let_go()
        assert {status for status, _ in await asyncio.gather(*slow)} == {200}


async def test_while_a_node_waits_for_its_turn_to_leave(haproxy_binary: Path) -> None:
    """It stays in rotation, although the one that it waits for is left out."""
    async with rolling(haproxy_binary, 2, strategy={"window": 2}) as it:
        it.hold("web1")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1") and begun(it, "web2", Step.DRAIN), "the second node")
        await interrupt(it, running)
        assert it.failed() == {"web1": True, "web2": False}
        assert await it.status("web1") == "MAINT"
        assert await is_in_rotation(it, "web2")


async def test_while_a_release_is_installed(haproxy_binary: Path) -> None:
    """The application was not restarted: proven to be as right as before, it serves again."""
    async with (
        rolling(haproxy_binary, 2, balancers=2, new_release="2", **COMMANDS) as it,
        crowd(it.here.balancers[0], "shop") as seen,
    ):
        block(it, "web1", "release")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: "release" in it.hosts["web1"].lines, "the release")
        await interrupt(it, running)
        assert it.failed() == {"web1": False}
        assert not it.restarting("web1")

        async def back() -> bool:
            return await is_in_rotation(it, "web1")

        await until_seen(back, "the node in rotation")
        answered = seen.answers["web1"]
        await until(lambda: seen.answers["web1"] > answered, "traffic to it")
        assert seen.lost == []


async def test_while_a_release_breaks_the_application(
    haproxy_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application that is not right any more does not come back, although it was not restarted."""
    monkeypatch.setattr(node_module, "_PROOF_TIMEOUT", 0.3)

    async with (
        rolling(haproxy_binary, 2, new_release="2", **COMMANDS) as it,
        crowd(it.here.balancers[0], "shop") as seen,
    ):
        app = it.here.apps["web1"]

        async def breaking() -> Completed:
            app.up = False
            app.pages["/_status"].status = 500
            await asyncio.Event().wait()
            raise AssertionError

        it.hosts["web1"].actions["release"] = breaking
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: "release" in it.hosts["web1"].lines and not app.up, "the release")
        await interrupt(it, running)
        assert it.failed() == {"web1": True}
        assert await it.status("web1") == "MAINT"
        assert (seen.lost, app.early) == ([], [])


@pytest.mark.parametrize("step", [Step.RESTART, Step.VERIFY])
async def test_once_the_application_is_restarted(haproxy_binary: Path, step: Step) -> None:
    """Nobody knows how it is, so its node is left out, and named; nobody lost a request."""
    async with (
        rolling(haproxy_binary, 2, balancers=2) as it,
        crowd(it.here.balancers[0], "shop") as seen,
    ):
        if step is Step.RESTART:
            it.hold("web1")
        else:
            it.here.apps["web1"].pages["/_status"].status = 500
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: begun(it, "web1", step) and it.restarting("web1"), f"the {step}")
        await interrupt(it, running)
        assert it.failed() == {"web1": True}
        assert await it.here.statuses("web1") == {"MAINT"}
        failed = it.here.told(StepFailed)[-1]
        assert (failed.step, failed.reason, failed.unknown) == (step, "interrupted", True)
        assert seen.lost == []


async def test_while_a_node_bakes(haproxy_binary: Path) -> None:
    """It has its release and is back in rotation, where it stays."""
    async with rolling(haproxy_binary, 2, strategy={"bake": "60s"}) as it:
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: begun(it, "web1", Step.BAKE), "the bake")
        await interrupt(it, running)
        assert it.here.told(NodeFailed) == [NodeFailed("web1", left_out=False)]
        assert await is_in_rotation(it, "web1")
        assert it.here.apps["web1"].starts == 2


async def test_asked_twice_it_still_comes_to_its_safe_end(haproxy_binary: Path) -> None:
    """Once a node is being put back, asking again does not leave it halfway."""
    async with rolling(haproxy_binary, 2, new_release="2", **COMMANDS) as it:
        block(it, "web1", "release")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: "release" in it.hosts["web1"].lines, "the release")
        it.deployment.interrupt("enough")
        await asyncio.sleep(0)
        it.deployment.interrupt("more than enough")
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [event.reason for event in it.here.told(Halted)] == ["enough"]
        assert it.failed() == {"web1": False}


async def test_a_node_that_an_earlier_try_left_out_stays_out(haproxy_binary: Path) -> None:
    """Its application may be half restarted: when its drain is ended, it does not go back into rotation."""
    async with rolling(haproxy_binary, 2, balancers=2) as it:
        await it.here.haproxies["lb1"].send(["set server shop/web1 state maint"])
        slow = [asyncio.create_task(Visitor(it.here.balancers[1], "shop").get("/hold")) for _ in range(2)]
        await until(lambda: it.here.apps["web1"].running == 1, "the slow request")
        plan = dataclasses.replace(it.plan, taken_up=frozenset({"web1"}))
        record = it.here.events.append
        it.deployment = Deployment(it.site, plan, 1, {}, record, allow_outage=False)
        running = asyncio.create_task(it.deployment.run())

        async def drains() -> bool:
            return await it.here.statuses("web1") == {"MAINT", "DRAIN"}

        await until_seen(drains, "the drain")
        await interrupt(it, running)
        assert await it.here.statuses("web1") == {"MAINT"}
        assert it.failed() == {"web1": True}
        for app in it.here.apps.values():
            app.let_go()
        assert {status for status, _ in await asyncio.gather(*slow)} == {200}
