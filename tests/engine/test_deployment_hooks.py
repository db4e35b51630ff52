"""Hooks around nodes behind real HAProxy."""

from __future__ import annotations

from pathlib import Path

from rollout.domain import Outcome, Step
from rollout.events import CommandSent, DeploymentFinished, HookEnded, HookStarted, NodeFinished, StepStarted
from tests.support.rolling import rolling
from tests.support.until import until
from tests.support.visitors import crowd

HOOKS = {
    "before_node": {"command": "silence", "on": "node"},
    "after_node": {"command": "wake", "on": "node"},
}


async def test_a_node_that_its_hook_keeps_serves_on(haproxy_binary: Path) -> None:
    """It is never drained, no request is lost, and no other node starts after it."""
    async with rolling(haproxy_binary, 3, hooks=HOOKS) as it:
        it.fail("web2", "silence")
        async with crowd(it.here.balancers[0], "shop") as seen:
            assert await it.deployment.run() is Outcome.FAILED
            served = seen.total
            await until(lambda: seen.total > served + 20, "traffic after it")
        assert seen.lost == []
        assert it.finished() == ["web1"]
        assert {event.node for event in it.here.told(CommandSent) if event.target == "lb1"} == {"web1"}
        assert it.failed() == {"web2": False}
        assert {(await it.status(name))[:2] for name in it.hosts} == {"UP"}
        assert [it.hosts[name].lines for name in it.hosts] == [
            ["silence", "restart", "wake"],
            ["silence"],
            [],
        ]


async def test_a_hook_is_in_its_nodes_place_in_the_window(haproxy_binary: Path) -> None:
    """The next node starts when the one before is done with its hooks; the deployment ends after all."""
    async with rolling(haproxy_binary, 2, hooks={**HOOKS, "after_deploy": "true"}) as it:
        assert await it.deployment.run() is Outcome.DONE
    told = [
        (type(event).__name__, event.node)
        for event in it.here.events
        if isinstance(event, HookStarted | HookEnded | NodeFinished)
        or (isinstance(event, StepStarted) and event.step is Step.DRAIN)
    ]
    around = ["HookStarted", "HookEnded", "StepStarted", "HookStarted", "HookEnded", "NodeFinished"]
    assert told == [
        *((name, node) for node in ("web1", "web2") for name in around),
        ("HookStarted", None),
        ("HookEnded", None),
    ]
    assert isinstance(it.here.events[-1], DeploymentFinished)
