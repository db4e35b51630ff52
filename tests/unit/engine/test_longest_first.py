"""`strategy.order: fastest_overall`, over two deployments in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rollout.cli.first_events import deployment_started
from rollout.decisions.durations import Durations
from rollout.decisions.fold import fold
from rollout.decisions.plan import Plan
from rollout.decisions.progress import Progress
from rollout.domain import Completed, Outcome, Step
from rollout.engine.checks.preflight import make_plan
from rollout.engine.deployment import Deployment
from rollout.engine.site import Site, Survey
from rollout.events import Event, Record, StepStarted
from rollout.inventory import Inventory
from tests.simulation.loop import run
from tests.support.in_memory import MemoryHost, site_in_memory
from tests.support.states import inventory

TAKES = {"web1": 1.0, "web2": 2.0, "web3": 3.0, "web4": 9.0, "web5": 0.3, "web6": 12.0}
"""Seconds of the restart on each node."""


class SlowHost(MemoryHost):
    async def run(self, line: str, **options: Any) -> Completed:
        await asyncio.sleep(TAKES[self.name] if line == "restart" else 0.0)
        return await super().run(line, **options)


def site(**strategy: Any) -> Site:
    zones = {"web1": "a", "web2": "a", "web3": "b", "web4": "b", "web5": "a", "web6": "b"}
    fleet: Inventory = inventory(
        nodes={name: {"host": f"10.0.0.{n}", "zone": zones[name]} for n, name in enumerate(TAKES, 1)},
        strategy={"window": 2, "bake": "0", "order": "fastest_overall", **strategy},
        health={"http": "http://{host}/_status"},
        restart={"command": "restart"},
    )
    made = site_in_memory(fleet, 1)
    object.__setattr__(made, "hosts", {name: SlowHost(name) for name in TAKES})
    return made


async def deploy(site: Site, plan: Plan, seen: Survey) -> tuple[Progress, list[str]]:
    """The deployment at its end, and the nodes in the order in which they left rotation."""
    events = list[Event](deployment_started(site.inventory, plan, seen, {}))
    deployment = Deployment(site, plan, 1, {}, events.append, allow_outage=False)
    assert await deployment.run() is Outcome.DONE
    progress = fold(Record(1, number, 0.0, event) for number, event in enumerate(events, 1))
    left = [event.node for event in events if isinstance(event, StepStarted) and event.step is Step.DRAIN]
    return progress, left


@pytest.mark.parametrize(
    ("strategy", "order"),
    [
        ({}, "web6 web4 web3 web2 web1 web5"),
        ({"canary": 1}, "web1 web6 web4 web3 web2 web5"),
        ({"spread": "zones"}, "web6 web2 web1 web5 web4 web3"),
        ({"spread": "within"}, "web6 web4 web3 web2 web1 web5"),
    ],
)
def test_the_second_deployment_begins_with_those_that_took_longest(
    strategy: dict[str, Any], order: str
) -> None:
    """The canary stays the first of the inventory, zones are heeded, and the deployment ends sooner."""

    async def twice() -> None:
        where = site(**strategy)
        first, seen = await make_plan(where, list(TAKES), None, ours={}, durations=Durations())
        assert any("no earlier deployment" in note for note in first.notes)
        ended, _ = await deploy(where, first, seen)
        second, seen = await make_plan(where, list(TAKES), None, ours={}, durations=Durations.of(ended))
        assert any("took longest in deployment 1 come first: web6 1" in note for note in second.notes)
        again, left = await deploy(where, second, seen)
        assert left == order.split()
        assert again.seconds is not None
        assert ended.seconds is not None
        assert again.seconds < ended.seconds

    run(twice())


def test_the_order_is_the_inventorys_unless_asked_for() -> None:
    """Without durations nothing is sorted, and nothing is said of the order."""

    async def plain() -> None:
        plan, _ = await make_plan(site(), list(TAKES), None, ours={})
        assert plan.nodes == tuple(TAKES)
        assert plan.notes == ()

    run(plain())
