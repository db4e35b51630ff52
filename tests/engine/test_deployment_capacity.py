"""No node leaves a backend that could not do without it, with real HAProxy."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rollout.domain import Outcome
from rollout.errors import Refused
from rollout.events import Halted, StepFailed
from tests.support.rolling import Rolling, backend, rolling
from tests.support.until import until, until_seen
from tests.support.visitors import Visitor, crowd

SHORT: Any = {"patience": "300ms"}


async def down(it: Rolling, node: str) -> None:
    """Have an application fail on its own, and HAProxy see it."""
    it.here.apps[node].stop()

    async def shown() -> bool:
        return await it.status(node) == "DOWN"

    await until_seen(shown, f"{node} to be DOWN")


async def halted(it: Rolling, node: str, *told: str) -> None:
    """The deployment ended because `node` could not leave; it still serves, and all was said."""
    assert it.failed() == {node: False}
    assert not it.restarting(node)
    assert (await it.status(node)).startswith("UP")
    (failed,) = it.here.told(StepFailed)
    (halt,) = it.here.told(Halted)
    assert halt.reason == f"{node} was not taken out: {failed.reason}"
    assert [text for text in told if text not in failed.reason] == []
    assert "--allow-outage" in (failed.hint or "")


async def test_the_floor_holds_the_window_back(haproxy_binary: Path) -> None:
    """With a window of 3 of 4, and half of them to stay ready, the third waits until one is back."""
    async with rolling(haproxy_binary, 4, strategy={"window": 3, "min_ready": "50%"}) as it:
        async with crowd(it.here.balancers[0], "shop") as seen:
            holds = [it.hold("web1"), it.hold("web2")]
            running = asyncio.create_task(it.deployment.run())
            await until(lambda: it.restarting("web1") and it.restarting("web2"), "the restarts")
            await until(lambda: it.told("without web3, backend shop on lb1"), "the third at the gate")
            assert it.drained_from() == ["web1", "web2", "web3"]
            assert (await it.status("web3")).startswith("UP")
            for one in holds:
                one.set()
            assert await running is Outcome.DONE
        assert seen.lost == []


async def test_a_node_that_fails_on_its_own_shrinks_the_window(haproxy_binary: Path) -> None:
    """Two fail while the first is restarted: the next does not leave, and the deployment says why it ends."""
    async with rolling(haproxy_binary, 4, strategy={"min_ready": "50%", **SHORT}) as it:
        held = it.hold("web1")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1"), "the restart")
        await down(it, "web3")
        await down(it, "web4")
        held.set()
        assert await running is Outcome.FAILED
        assert it.finished() == ["web1"]
        await halted(
            it,
            "web2",
            "without web2, backend shop on lb1 would have 1 of its 4 servers ready",
            "strategy.min_ready (50%) requires 2",
        )


async def test_what_somebody_takes_out_shrinks_the_window(haproxy_binary: Path) -> None:
    """On any load balancer: the node that is short there alone does not leave, failures allowed or not."""
    strategy = {"min_ready": 2, "max_failures": 3, **SHORT}
    async with rolling(haproxy_binary, 3, balancers=2, strategy=strategy) as it:
        held = it.hold("web1")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1"), "the restart")
        await it.here.haproxies["lb2"].send(["set server shop/web3 state drain"])
        held.set()
        assert await running is Outcome.FAILED
        assert it.finished() == ["web1"]
        await halted(it, "web2", "backend shop on lb2 would have 1 of its 3 servers ready")
        assert (await it.here.states("web3"))["lb2 shop"].status == "DRAIN"


async def test_a_node_that_recovers_in_time_is_waited_for(haproxy_binary: Path) -> None:
    """A short failure of another one only delays the deployment."""
    async with rolling(haproxy_binary, 3, strategy={"min_ready": 2}) as it:
        await down(it, "web3")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.told("without web1"), "the first at the gate")
        await it.here.apps["web3"].start()
        assert await running is Outcome.DONE
        assert it.finished() == ["web1", "web2", "web3"]


def full(nodes: int) -> dict[str, tuple[str, ...]]:
    """Servers that take one request at a time."""
    return {
        "shop": tuple(
            f"{line} maxconn 1" if "server web" in line else line for line in backend(nodes)["shop"]
        )
    }


async def test_no_node_leaves_while_requests_are_queued(haproxy_binary: Path) -> None:
    """A backend with a queue is at its limit: the node leaves once the queue is empty."""
    async with rolling(haproxy_binary, 3, backends=full(3)) as it:
        slow = [asyncio.create_task(Visitor(it.here.balancers[0], "shop").get("/hold")) for _ in range(5)]
        await until(lambda: sum(app.running for app in it.here.apps.values()) == 3, "the slow requests")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.told("at its limit: 2 waiting in its queue"), "the queue to be seen")
        assert (await it.status("web1")).startswith("UP")
        for app in it.here.apps.values():
            app.let_go()
        assert await running is Outcome.DONE
        assert {status for status, _ in await asyncio.gather(*slow)} == {200}


async def test_a_queue_that_stays_ends_the_deployment(haproxy_binary: Path) -> None:
    """Nobody can leave a backend that is always full; patience bounds the wait."""
    async with rolling(haproxy_binary, 2, backends=full(2), strategy=SHORT) as it:
        slow = [asyncio.create_task(Visitor(it.here.balancers[0], "shop").get("/hold")) for _ in range(3)]
        await until(lambda: sum(app.running for app in it.here.apps.values()) == 2, "the slow requests")
        assert await it.deployment.run() is Outcome.FAILED
        await halted(it, "web1", "backend shop on lb1 is at its limit: 1 waiting in its queue")
        for app in it.here.apps.values():
            app.let_go()
        assert {status for status, _ in await asyncio.gather(*slow)} == {200}


@pytest.mark.parametrize("min_ready", [3, 7, "67%"])
async def test_what_can_never_be_is_refused(haproxy_binary: Path, min_ready: int | str) -> None:
    """A floor that no node may leave is told before anything is touched, once for the backend."""
    with pytest.raises(Refused) as caught:
        async with rolling(haproxy_binary, 3, strategy={"min_ready": min_ready}):
            pass
    demanded = min_ready if isinstance(min_ready, int) else 3
    assert str(caught.value) == (
        "web1: without web1, backend shop on lb1 would have 2 of its 3 servers ready, "
        f"but strategy.min_ready ({min_ready}) requires {demanded}"
    )
    assert "lower strategy.min_ready" in (caught.value.hint or "")


async def test_an_outage_that_is_allowed_sets_capacity_aside(haproxy_binary: Path) -> None:
    """With --allow-outage neither the floor nor the last server counts; the window still does."""
    strategy = {"min_ready": 2, "window": 2}
    async with rolling(haproxy_binary, 2, strategy=strategy, allow_outage=True) as it:
        holds = [it.hold("web1"), it.hold("web2")]
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1") and it.restarting("web2"), "both restarts")
        for one in holds:
            one.set()
        assert await running is Outcome.DONE


async def test_what_was_left_out_is_rolled_first(haproxy_binary: Path) -> None:
    """It costs no capacity and brings some back: with two nodes, there is no other way to go on."""
    async with rolling(haproxy_binary, 2, left_out=["web2"], strategy={"canary": 1}) as it:
        assert await it.deployment.run() is Outcome.DONE
        assert it.finished() == ["web2", "web1"]
        assert (await it.status("web2")).startswith("UP")


async def test_zones_are_spread_over(haproxy_binary: Path) -> None:
    """The second node that is out is of another zone than the first."""
    strategy = {"window": 2, "spread": "zones"}
    async with rolling(haproxy_binary, 4, zones="aabb", strategy=strategy) as it:
        holds = [it.hold("web1"), it.hold("web3")]
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1") and it.restarting("web3"), "one restart of each zone")
        holds[1].set()
        await until(lambda: it.finished() == ["web3", "web4"], "the other zone")
        assert it.restarting("web1")
        holds[0].set()
        assert await running is Outcome.DONE
        assert it.drained_from() == ["web1", "web3", "web4", "web2"]


async def test_a_zone_is_finished_before_the_next(haproxy_binary: Path) -> None:
    """With room for two in the window, the last node of a zone is alone."""
    strategy = {"window": 2, "spread": "within"}
    async with rolling(haproxy_binary, 4, zones="abaa", strategy=strategy) as it:
        held = it.hold("web3")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.finished() == ["web1", "web4"], "the rest of the zone")
        assert it.drained_from() == ["web1", "web3", "web4"]
        held.set()
        assert await running is Outcome.DONE
        assert it.finished()[2:] == ["web3", "web2"]


async def test_a_load_balancer_that_comes_back_in_time_is_waited_for(haproxy_binary: Path) -> None:
    """While it is away nothing is guessed: the node stays where it is, then the deployment goes on."""
    async with rolling(haproxy_binary, 2) as it:
        held = it.hold("web1")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1"), "the restart")
        it.here.balancers[0].stop()
        held.set()
        await until(lambda: it.here.apps["web1"].starts == 2, "the restart to be done")
        assert not running.done()
        await it.here.balancers[0].start()
        assert await running is Outcome.DONE
        assert it.finished() == ["web1", "web2"]


async def test_patience_ends(haproxy_binary: Path) -> None:
    """A load balancer that stays away fails the node that is out, and no other one is taken."""
    async with rolling(haproxy_binary, 2, balancers=2, strategy=SHORT) as it:
        held = it.hold("web1")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1"), "the restart")
        it.here.balancers[1].stop()
        held.set()
        async with asyncio.timeout(5):
            assert await running is Outcome.FAILED
        assert it.failed() == {"web1": True}
        assert it.drained_from() == ["web1"]
        states = (await it.here.haproxies["lb1"].read()).servers
        assert [state.status for state in states] == ["MAINT", "UP"]
        assert "lb2" in it.here.told(StepFailed)[-1].reason
