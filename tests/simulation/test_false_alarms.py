"""How often a good release is judged bad, and a bad one good, by the jury itself in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import Any, cast

import pytest

from rollout.decisions.judge import FALSE_ALARMS
from rollout.decisions.plan import Plan
from rollout.domain import Step
from rollout.engine.context import NodeContext
from rollout.engine.log import StepLog
from rollout.engine.pausing import Pauses
from rollout.engine.steps.bake import Bake
from rollout.engine.users.jury import Jury
from rollout.engine.users.watch import Watch
from rollout.errors import JudgedBad
from rollout.events import Event
from rollout.inventory.judge import Judge
from rollout.ports import Host, HttpClient, LoadBalancer
from tests.simulation.loop import VirtualLoop
from tests.simulation.noisy import NoisyTraffic
from tests.support.states import inventory

NODES = tuple(f"web{number}" for number in range(1, 7))


async def deploy(seed: int, **release: float) -> str:
    """Why a release was judged bad while it was rolled over six nodes, one after the other; empty if not."""
    rng = random.Random(seed)
    traffic = NoisyTraffic(NODES, rng)
    watch = Watch([cast(LoadBalancer, traffic)])
    events: list[Event] = []
    plan = Plan("shop", "2", NODES, {}, (1, 5), 1, 1, traffic.placement(), ())
    jury = Jury(Judge(), plan, {}, watch)
    pauses = Pauses(events.append)
    await watch.look()
    looking = asyncio.create_task(watch.run())
    try:
        for name in NODES:
            server = traffic.servers[name]
            jury.left(name)
            server.up = False
            await asyncio.sleep(rng.uniform(1, 10))
            for what, value in release.items():
                setattr(server, what, value)
            server.up = True
            await jury.entered(name)
            nothing: Any = cast(Host, None)
            strategy = {"bake": "30s"}
            context = NodeContext(
                name, inventory(strategy=strategy), "2", nothing, cast(HttpClient, None), {}, nothing, nothing
            )
            try:
                await Bake(context, jury, pauses, StepLog(events.append, name, Step.BAKE)).run()
            except JudgedBad as error:
                return str(error)
            jury.passed(name)
    finally:
        looking.cancel()
    return ""


def deployments(seeds: Iterable[int], **release: float) -> list[str]:
    found = []
    for seed in seeds:
        loop = VirtualLoop()
        try:
            found.append(loop.run_until_complete(deploy(seed, **release)))
        finally:
            loop.close()
    return found


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_a_good_release_raises_no_more_false_alarms_than_stated(first: int) -> None:
    """Two hundred deployments of six nodes, whose users see errors and slow answers all the time."""
    alarms = [reason for reason in deployments(range(first, first + 50)) if reason]
    assert len(alarms) <= 50 * len(NODES) * FALSE_ALARMS, alarms


def test_a_bad_release_is_found() -> None:
    """Through the same noise, a release that fails one request in ten is judged bad on some node."""
    found = deployments(range(20), errors=0.1)
    assert sum(map(bool, found)) >= 18, found


def test_a_slow_release_is_found() -> None:
    """Or one that takes three times as long."""
    found = deployments(range(20), slower=3.0)
    assert sum(map(bool, found)) >= 16, found
