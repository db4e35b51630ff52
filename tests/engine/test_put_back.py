"""Nodes that a deployment put back, and that do not stay well: what was proved is past."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollout.domain import CheckResult, Completed, Outcome, Step
from rollout.engine.deployment import Deployment
from rollout.events import DeploymentFinished, Halted, StepFailed, StepStarted
from rollout.inventory import strategy
from tests.support.rolling import Rolling, rolling
from tests.support.until import until, until_seen
from tests.support.visitors import crowd
from tests.support.web import Page

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def whole_bake(short_bake: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bake that nobody asked for is as long as for users."""
    monkeypatch.setattr(strategy, "DEFAULT_BAKE", 5.0)


BY_DEFAULT: Any = {"strategy": {"bake": None}}
UNWATCHED: Any = {"strategy": {"bake": 0}}


class Alternating(Page):
    """A page that is right every second time."""

    asked = 0

    def __getattribute__(self, name: str) -> Any:
        if name != "status":
            return super().__getattribute__(name)
        Alternating.asked += 1
        return 200 if Alternating.asked % 2 else 500


def die(it: Rolling, node: str, after: float) -> None:
    """Have the application of a node die so many seconds after its restart."""

    async def dying() -> Completed:
        done = await it.hosts[node].restart()
        asyncio.get_running_loop().call_later(after, it.here.apps[node].stop)
        return done

    it.hosts[node].actions["restart"] = dying


def failures(it: Rolling) -> dict[str, StepFailed]:
    return {event.node: event for event in it.here.told(StepFailed)}


def not_left(it: Rolling) -> set[str]:
    """The nodes that still serve as they did before."""
    return {name for name in it.plan.nodes if not it.hosts[name].lines}


async def rolled(it: Rolling) -> Outcome:
    return await it.deployment.run()


async def test_a_release_that_dies_two_seconds_after_it_is_healthy(haproxy_binary: Path) -> None:
    """By default its first nodes are found out while the next are rolled: most of the fleet never gets it."""
    async with rolling(haproxy_binary, 6, new_release="2", **BY_DEFAULT) as it:
        for name in it.plan.nodes:
            die(it, name, 2.0)
            held(it, name, 1.0)
        async with crowd(it.here.balancers[0], "shop", pause=0.01, fresh=True) as seen:
            assert await rolled(it) is Outcome.FAILED
        assert len(not_left(it)) >= 3
        (first, *_) = it.here.told(StepFailed)
        assert first.node == "web1"
        assert "HAProxy finds shop/web1 on lb1 DOWN" in first.reason or "did not stay healthy" in first.reason
        assert len(seen.lost) < seen.total / 20


def held(it: Rolling, node: str, seconds: float) -> None:
    """Have the restart of a node take so long."""
    restart = it.hosts[node].actions["restart"]

    async def slow() -> Completed:
        await asyncio.sleep(seconds)
        return await restart()

    it.hosts[node].actions["restart"] = slow


async def test_one_that_falls_once_it_is_done_halts_the_deployment(haproxy_binary: Path) -> None:
    """The next node is back and proved; no third one leaves, and the last check is told."""
    async with rolling(haproxy_binary, 4, **UNWATCHED) as it:
        go_on = it.hold("web2")
        deploying = asyncio.create_task(rolled(it))
        await until(lambda: it.restarting("web2"), "web2 to be restarted")
        it.here.apps["web1"].stop()
        await until(lambda: "web1" in failures(it), "the fall of web1 to be told")
        go_on.set()
        assert await deploying is Outcome.FAILED
        assert not_left(it) == {"web3", "web4"}
        fell = failures(it)["web1"]
        assert fell.fell
        assert fell.reason.startswith("HAProxy finds shop/web1 on lb1 DOWN (last check: L4CON)")
        assert it.failed() == {"web1": False}
        (halted,) = it.here.told(Halted)
        assert halted.gave_up
        assert "web1 was put back, and is out of rotation again" in halted.reason


async def test_the_last_node_is_looked_at_before_the_deployment_is_done(haproxy_binary: Path) -> None:
    """Without a bake, too: a last check that failed is not good enough to be done."""
    hooks: Any = {"after_node": {"command": "after", "on": "node"}}
    async with rolling(haproxy_binary, 2, hooks=hooks, **UNWATCHED) as it:

        async def dies() -> Completed:
            it.here.apps["web2"].stop()
            await until_seen(lambda: is_failing(it, "web2"), "a check of web2 to fail")
            return Completed(0)

        it.hosts["web2"].actions["after"] = dies
        assert await rolled(it) is Outcome.FAILED
        assert failures(it)["web2"].fell
        assert it.here.told(DeploymentFinished)[-1].outcome is Outcome.FAILED


async def is_down(it: Rolling, node: str) -> bool:
    return await it.status(node) == "DOWN"


async def is_failing(it: Rolling, node: str) -> bool:
    return (await it.here.states(node))["lb1 shop"].check_result is CheckResult.FAILED


async def test_a_page_that_alternates_is_not_healthy(haproxy_binary: Path) -> None:
    """HAProxy's `fall` never sees two in a row, and the proof sees enough right ones: the bake tells."""
    async with rolling(haproxy_binary, 4, new_release="2", **BY_DEFAULT) as it:

        async def alternating() -> Completed:
            done = await it.hosts["web1"].restart()
            it.here.apps["web1"].pages["/_status"] = Alternating()
            return done

        it.hosts["web1"].actions["restart"] = alternating
        held(it, "web2", 1.0)
        assert await rolled(it) is Outcome.FAILED
        assert "answered 500, not 200" in failures(it)["web1"].reason
        assert not_left(it) >= {"web3", "web4"}


async def test_a_failure_that_is_allowed_takes_a_place_in_the_window(haproxy_binary: Path) -> None:
    """With one failure allowed the others are rolled, one at a time now, and the deployment still fails."""
    strategy: Any = {"bake": 0, "max_failures": 1, "window": 2}
    async with rolling(haproxy_binary, 5, strategy=strategy) as it:
        go_on = it.hold("web2")
        deploying = asyncio.create_task(rolled(it))
        await until(lambda: {"web1"} <= set(it.finished()) and it.restarting("web2"), "web1 to be done")
        it.here.apps["web1"].stop()
        await until(lambda: "web1" in failures(it), "the fall of web1 to be told")
        first = len(it.here.events)
        go_on.set()
        assert await deploying is Outcome.FAILED
        assert set(it.finished()) >= {"web2", "web3", "web4", "web5"}
        del it.here.events[:first]
        assert it.most_out() == 1


async def test_what_a_person_takes_out_is_not_the_release_s_fault(haproxy_binary: Path) -> None:
    """Somebody sets a node that is back to maintenance: that is said, and no other node leaves; nothing is
    overwritten, and there is no reason to roll back."""
    async with rolling(haproxy_binary, 4, **UNWATCHED) as it:
        go_on = it.hold("web2")
        deploying = asyncio.create_task(rolled(it))
        await until(lambda: it.restarting("web2"), "web2 to be restarted")
        await it.here.balancers[0].ask("set server shop/web1 state maint")
        await until(lambda: "web1" in failures(it), "the act to be told")
        go_on.set()
        assert await deploying is Outcome.FAILED
        told = failures(it)["web1"]
        assert told.changed_by_others
        assert not told.fell
        assert told.reason == "shop/web1 on lb1 is in maintenance, and rollout did not set that"
        assert not_left(it) == {"web3", "web4"}
        assert await it.status("web1") == "MAINT"
        (halted,) = it.here.told(Halted)
        assert not halted.gave_up


async def test_without_a_load_balancer_the_page_tells(haproxy_binary: Path) -> None:
    """Where none is listed, the gate asks the pages of the nodes that are back, twice."""
    down, up = ({"method": method, "url": "http://{host}:8000/_drain"} for method in ("PUT", "DELETE"))
    page: Any = {"request": {"down": down, "up": up}, "settle": "200ms"}
    sections: Any = {"load_balancers": {}, "drain": {"health_page": page}, **UNWATCHED}
    async with rolling(haproxy_binary, 3, **sections) as it:
        go_on = it.hold("web2")
        deploying = asyncio.create_task(rolled(it))
        await until(lambda: it.restarting("web2"), "web2 to be restarted")
        it.here.apps["web1"].pages["/_status"].status = 500
        go_on.set()
        assert await deploying is Outcome.FAILED
        assert "answered 500, not 200" in failures(it)["web1"].reason
        assert not_left(it) == {"web3"}


async def test_a_node_that_is_back_and_down_when_the_deployment_resumes(haproxy_binary: Path) -> None:
    """A deployment that goes on looks after the nodes that its first part had put back."""
    async with rolling(haproxy_binary, 3, **UNWATCHED) as it:
        it.here.apps["web1"].stop()
        await until_seen(lambda: is_down(it, "web1"), "web1 to be found down")
        plan = replace(it.plan, nodes=("web2", "web3"), waves=(2,))
        record, back = it.here.events.append, {"web1": {}}
        rest = Deployment(it.site, plan, 1, {}, record, allow_outage=False, put_back=back)
        assert await rest.run() is Outcome.FAILED
        assert failures(it)["web1"].fell
        assert {event.node for event in it.here.told(StepStarted) if event.step is Step.RESTART} == set()


async def test_the_default_bake_holds_up_no_node(haproxy_binary: Path) -> None:
    """The next node leaves while the one before it bakes; only the end waits, for five seconds."""
    async with rolling(haproxy_binary, 3, new_release="2", **BY_DEFAULT) as it:
        clock = asyncio.get_running_loop().time
        begun = clock()
        assert await rolled(it) is Outcome.DONE
        took = clock() - begun
        steps = [(event.node, event.step) for event in it.here.told(StepStarted)]
        assert steps.index(("web2", Step.DRAIN)) == steps.index(("web1", Step.BAKE)) + 1
        assert took < 5.0 + 4.0
        assert it.finished() == ["web1", "web2", "web3"]
