"""Agents that HAProxy asks (`agent-check`): none can bring a node back, or change it, while it is out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rollout.decisions.preview import node_lines
from rollout.domain import Outcome, ServerState
from rollout.engine.by_hand import drain_node, make_ready
from rollout.engine.site import survey
from rollout.events import CommandSent, StepFailed
from tests.support.agent_check import Agent, agents
from tests.support.rolling import Rolling, backend, rolling
from tests.support.until import until, until_seen
from tests.support.visitors import crowd

pytestmark = pytest.mark.every_haproxy

NAMES = ("web1", "web2", "web3")


def asking(asked: dict[str, Agent], *, inter: str = "20ms") -> tuple[str, ...]:
    """A backend whose servers have agents."""
    return (
        "option httpchk GET /_status",
        "default-server check inter 50ms rise 1 fall 2",
        f"default-server weight 100 agent-check agent-inter {inter} agent-addr 127.0.0.1",
        *(f"server {name} {{{name}}} agent-port {agent.port}" for name, agent in asked.items()),
    )


@asynccontextmanager
async def asked(binary: Path, word: str, **more: Any) -> AsyncIterator[tuple[Rolling, dict[str, Agent]]]:
    """A deployment over nodes whose agents all say `word`."""
    async with (
        agents(NAMES, word) as made,
        rolling(binary, 3, backends={"shop": asking(made)}, **more) as it,
    ):
        await until(lambda: all(agent.asked for agent in made.values()), "the agents to be asked")
        yield it, made


async def state(it: Rolling, node: str = "web1") -> ServerState:
    return (await it.here.states(node))["lb1 shop"]


@pytest.mark.parametrize("word", ["75%", "up 75%", "ready", "up ready 75%"])
async def test_whatever_they_say_nothing_is_lost(haproxy_binary: Path, word: str) -> None:
    """A word for a weight, and one that ends any drain within moments: the node stays out until it is well,
    and is under its agent's word again afterwards."""
    async with (
        asked(haproxy_binary, word) as (it, made),
        crowd(it.here.balancers[0], "shop", pause=0.01) as seen,
    ):
        held = it.hold("web1")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1"), "the restart")
        asked_before, answered = made["web1"].asked, seen.total
        await until(lambda: seen.total > answered + 50, "some traffic")
        assert (await state(it)).status == "MAINT"
        assert made["web1"].asked == asked_before
        held.set()
        assert await running is Outcome.DONE, it.here.told(StepFailed)
        assert seen.lost == []
        assert [(app.cut, app.early) for app in it.here.apps.values()] == [(0, [])] * 3
        for name in NAMES:
            assert (await state(it, name)).agent_checked
        made["web1"].word = "33%"

        async def follows() -> bool:
            return (await state(it)).weight == 33

        await until_seen(follows, "the weight that the agent gives")


async def test_an_answer_that_is_on_its_way_counts_no_more(haproxy_binary: Path) -> None:
    """An agent that was asked before it was disabled answers `ready` while its node is out: it stays out."""
    async with (
        asked(haproxy_binary, "ready") as (it, made),
        crowd(it.here.balancers[0], "shop", pause=0.01) as seen,
    ):
        slow, held = made["web1"], it.hold("web1")
        slow.delay, count = 0.2, slow.asked
        await until(lambda: slow.asked > count, "a question whose answer takes long")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1") and slow.answered >= slow.asked, "the answer")
        assert (await state(it)).status == "MAINT"
        held.set()
        assert await running is Outcome.DONE, it.here.told(StepFailed)
        assert seen.lost == []


async def test_a_weight_that_changes_is_no_operators(haproxy_binary: Path) -> None:
    """An agent that gives another weight each time changes nothing about the deployment; with a warm-up, it
    is asked again when that is over."""
    async with asked(haproxy_binary, "90%", warmup={"over": "300ms"}) as (it, made):
        changing = asyncio.create_task(_change(made["web1"]))
        assert await it.deployment.run() is Outcome.DONE, it.here.told(StepFailed)
        changing.cancel()
        lines = [event.line for event in it.here.told(CommandSent) if event.node == "web1"]
        assert lines[0] == "disable agent shop/web1; set server shop/web1 state drain"
        assert lines[-1] == "enable agent shop/web1"
        assert [(await state(it, name)).agent_checked for name in NAMES] == [True] * 3


async def _change(agent: Agent) -> None:
    while True:
        agent.word = "80%" if agent.word == "90%" else "90%"
        await asyncio.sleep(0.01)


async def test_one_that_somebody_disabled_stays_so(haproxy_binary: Path) -> None:
    """It is no obstacle, and it is not rollout's to enable."""
    async with asked(haproxy_binary, "ready", found={"lb1": ["disable agent shop/web1"]}) as (it, _):
        assert await it.deployment.run() is Outcome.DONE
        assert not (await state(it, "web1")).agent_checked
        assert (await state(it, "web2")).agent_checked


async def test_a_drain_that_ends_early_gives_the_agent_back(haproxy_binary: Path) -> None:
    """The node is as it was before, with its agent."""
    async with asked(haproxy_binary, "ready") as (it, _):
        rotation = it.site.rotation(it.site.context("web1", None), it.plan.placement["web1"])
        await rotation.leave(it.here.log())
        assert (await state(it)).agent_disabled
        await rotation.give_back(it.here.log())
        assert (await state(it)).agent_checked
        assert (await state(it)).status == "UP"


async def test_by_hand(haproxy_binary: Path) -> None:
    """Drained by hand, a node stays out although its agent says `ready`; `ready` enables the agent again."""
    async with (
        asked(haproxy_binary, "ready") as (it, made),
        crowd(it.here.balancers[0], "shop", pause=0.01) as seen,
    ):
        await drain_node(it.site, "web1", await survey(it.site), it.here.events.append, allow_outage=False)
        answered = seen.total
        await until(lambda: seen.total > answered + 50, "some traffic")
        assert (await state(it)).status == "MAINT"
        await make_ready(it.site, "web1", None, await survey(it.site), it.here.events.append)
        assert (await state(it)).agent_checked
        count = made["web1"].asked
        await until(lambda: made["web1"].asked > count, "the agent to be asked again")
        assert seen.lost == []


async def test_a_reload_forgets_that_they_are_disabled(haproxy_binary: Path) -> None:
    """The new process asks the agents until it is told: then the node is out again, and stays so."""
    async with agents(NAMES, "ready") as made:
        backends = {"shop": asking(made, inter="1s")}
        async with rolling(haproxy_binary, 3, backends=backends) as it:
            held = it.hold("web1")
            running = asyncio.create_task(it.deployment.run())
            await until(lambda: it.restarting("web1"), "the restart")
            await it.here.balancers[0].reload()

            async def out() -> bool:
                return (await state(it)).status == "MAINT" and (await state(it)).agent_disabled

            await until_seen(out, "the node to be out again")
            held.set()
            assert await running is Outcome.DONE, it.here.told(StepFailed)
            assert (await state(it)).agent_checked


async def test_what_an_agent_calls_down_stays_down(haproxy_binary: Path) -> None:
    """Where agents say which node leads, a follower's server gets no request as it comes back, although
    HAProxy's own check passes."""
    async with agents(NAMES, "down") as made:
        made["web3"].word = "up"
        backends = {**backend(3), "primary": asking(made)}

        async def followers_are_down(here: Any) -> None:
            async def shown() -> bool:
                states = {name: (await here.states(name))["lb1 primary"].running for name in NAMES}
                return states == {"web1": False, "web2": False, "web3": True}

            await until_seen(shown, "the agents' words")

        more: Any = {"arrange": followers_are_down, "hooks": {"before_node": "true"}}
        more["strategy"] = {"patience": "100ms"}
        async with rolling(haproxy_binary, 3, backends=backends, **more) as it:
            async with crowd(it.here.balancers[0], "primary", pause=0.01) as primary:
                assert await it.deployment.run() is Outcome.FAILED  # at the leader, whom no hook replaces
                assert it.finished() == ["web1", "web2"]
            assert set(primary.answers) == {"web3"}
            assert primary.lost == []


async def test_the_plan_shows_what_is_sent(haproxy_binary: Path) -> None:
    """`rollout plan` lists the lines that disable and enable agents."""
    async with asked(haproxy_binary, "ready") as (it, _):
        checked = (await survey(it.site)).checked()
        plan = it.plan
        lines = node_lines(it.site.inventory, None, "web1", plan.placement["web1"], checked, plan.before)
        assert await it.deployment.run() is Outcome.DONE
        sent = [event.line for event in it.here.told(CommandSent) if event.node == "web1"]
        assert sent == [line.text for line in lines if not line.text.startswith("GET ")]
