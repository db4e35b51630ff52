"""How much sooner a deployment of a mixed fleet ends with `strategy.order: fastest_overall`.

`python -m benchmarks.longest_first`; a minute. The deployments are rollout's own, in virtual time: each
fleet is deployed in the inventory's order, and then by what its nodes took. A restart takes up to a tenth
longer or less the second time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from statistics import median
from typing import Any

from rollout.cli.first_events import deployment_started
from rollout.decisions.durations import Durations
from rollout.decisions.fold import fold
from rollout.decisions.progress import Progress
from rollout.domain import Completed, Outcome
from rollout.engine.checks.preflight import make_plan
from rollout.engine.deployment import Deployment
from rollout.engine.site import Site
from rollout.events import Event, Record
from tests.simulation.loop import run
from tests.support.in_memory import MemoryHost, site_in_memory
from tests.support.states import inventory

_SEEDS = 20
_VARIES = 0.1
Draw = Callable[[random.Random], float]
"""Seconds of one node's restart."""
FLEETS: dict[str, tuple[int, int, Draw]] = {
    "20 nodes, window 5, all alike": (20, 5, lambda rng: 5.0),
    "20 nodes, window 5, from 2 to 10 s": (20, 5, lambda rng: rng.uniform(2.0, 10.0)),
    "20 nodes, window 5, a fifth takes 20 s, the others 2 s": (20, 5, lambda rng: _some(rng, 0.2, 20.0, 2.0)),
    "50 nodes, window 10, a tenth takes 30 s, the others 3 s": (
        50,
        10,
        lambda rng: _some(rng, 0.1, 30.0, 3.0),
    ),
    "50 nodes, window 25, from 2 to 30 s": (50, 25, lambda rng: rng.uniform(2.0, 30.0)),
}
"""The nodes, the window, and what a restart takes."""


class SlowHost(MemoryHost):
    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name)
        self.seconds = seconds

    async def run(self, line: str, **options: Any) -> Completed:
        await asyncio.sleep(self.seconds if line == "restart" else 0.0)
        return await super().run(line, **options)


def main() -> None:
    for name, (nodes, window, draw) in FLEETS.items():
        saved = [run(_saved(random.Random(seed), nodes, window, draw)) for seed in range(_SEEDS)]
        least, most = (f"{part:.0%}" for part in (min(saved), max(saved)))
        print(f"  {name:<58}{median(saved):>5.0%}   {least} to {most} in {_SEEDS} fleets", flush=True)


async def _saved(rng: random.Random, nodes: int, window: int, draw: Draw) -> float:
    """The share of the time that the order saves on one fleet."""
    takes = {f"web{number}": draw(rng) for number in range(1, nodes + 1)}
    fleet = inventory(
        nodes={name: {"host": f"10.0.0.{number}"} for number, name in enumerate(takes, 1)},
        strategy={"window": window, "bake": "0"},
        health={"http": "http://{host}/_status"},
        restart={"command": "restart"},
    )

    def site() -> Site:
        made = site_in_memory(fleet, 1)
        hosts = {
            name: SlowHost(name, seconds * rng.uniform(1 - _VARIES, 1 + _VARIES))
            for name, seconds in takes.items()
        }
        object.__setattr__(made, "hosts", hosts)
        return made

    listed = await _deploy(site(), None)
    sorted_ = await _deploy(site(), Durations.of(listed))
    return 1 - (sorted_.seconds or 0.0) / (listed.seconds or 1.0)


async def _deploy(site: Site, durations: Durations | None) -> Progress:
    plan, seen = await make_plan(site, list(site.inventory.nodes), None, ours={}, durations=durations)
    events = list[Event](deployment_started(site.inventory, plan, seen, {}))
    assert await Deployment(site, plan, 1, {}, events.append, allow_outage=False).run() is Outcome.DONE
    return fold(Record(1, number, 0.0, event) for number, event in enumerate(events, 1))


def _some(rng: random.Random, share: float, slow: float, fast: float) -> float:
    return slow if rng.random() < share else fast


if __name__ == "__main__":
    main()
