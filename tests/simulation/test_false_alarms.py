"""How often a good release is judged bad, and a bad one good."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import Any, cast

import pytest

from rollout.decisions.judge import FALSE_ALARMS, allowance
from rollout.decisions.plan import Plan
from rollout.domain import Step
from rollout.engine.context import NodeContext
from rollout.engine.log import StepLog
from rollout.engine.pausing import Pauses
from rollout.engine.site import Site
from rollout.engine.steps import bake
from rollout.engine.users.jury import Jury
from rollout.engine.users.put_back import PutBack
from rollout.engine.users.watch import Watch
from rollout.errors import JudgedBad
from rollout.events import Event
from rollout.inventory.judge import Judge
from rollout.ports import Host, HttpClient, LoadBalancer
from tests.simulation.loop import VirtualLoop
from tests.simulation.noisy import NoisyTraffic
from tests.simulation.streams import Bake, Release
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
    put_back = PutBack(cast(Site, None), plan, watch)
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
                name,
                inventory(strategy=strategy),
                "2",
                nothing,
                cast(HttpClient, None),
                {},
                nothing,
                nothing,
                nothing,
            )
            try:
                await bake.Bake(
                    context, jury, put_back, pauses, StepLog(events.append, name, Step.BAKE)
                ).run()
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


def test_a_good_release_raises_no_more_false_alarms_than_stated() -> None:
    """A thousand deployments of six nodes, looked at once a second, in whose bakes users see errors and slow
    answers all the time, alone and in bursts."""
    alarms = []
    for seed in range(1000):
        rng = random.Random(seed)
        if any(Bake(rng, Release()).found(allowance(number)) for number in range(1, 1 + len(NODES))):
            alarms.append(seed)
    assert len(alarms) <= 1000 * FALSE_ALARMS, alarms


@pytest.mark.parametrize(
    ("release", "servers", "least", "seconds"),
    [
        (Release(errors=0.02), 2, 0.5, 20.0),
        (Release(errors=0.05), 6, 0.75, 16.0),
        (Release(errors=1.0), 6, 1.0, 6.5),
        (Release(slow=0.03), 6, 0.7, 22.0),
    ],
)
def test_a_bad_release_is_found_soon(release: Release, servers: int, least: float, seconds: float) -> None:
    """Through the same noise, as many as this, and on average within so many seconds of 30."""
    found = [Bake(random.Random(seed), release, servers=servers).found(allowance(1)) for seed in range(100)]
    assert sum(map(bool, found)) >= least * len(found)
    assert sum(after or 30 for after in found) / len(found) <= seconds


def test_the_jury_judges_no_good_release_bad() -> None:
    """The jury itself, in virtual time, at the bakes of whole deployments."""
    assert not any(deployments(range(4)))


def test_the_jury_finds_bad_releases() -> None:
    """One that fails one request in ten, and one that takes three times as long."""
    assert all(deployments(range(4), errors=0.1))
    assert sum(map(bool, deployments(range(5), slower=3.0))) >= 3
