"""One seed: a world, a deployment of the real engine in it, and what became of both."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rollout.errors import LoadBalancerError, Refused
from rollout.events import DeploymentResumed, DeploymentStarted, StepFailed, from_fields, to_fields
from tests.simulation import gaps
from tests.simulation.client import Killed
from tests.simulation.ending import judge
from tests.simulation.faults import Fault, plan_faults
from tests.simulation.loop import run
from tests.simulation.verbs import inside, run_verb
from tests.simulation.world import World

FaultPlan = Callable[[random.Random, int], Sequence[Fault]]

_LONGEST = 900.0
"""Seconds in which every deployment must have ended."""
_BEFORE = 0.4
"""Seconds of traffic before it begins."""
_TAKEN_UP = 0.8
"""The share of deployments that did not end well which are resumed, or what they left out restored."""
_ROUND_TRIPS = 16
"""The events of every so manieth deployment are written as JSON and read again."""


_OF_PROCESS = (DeploymentStarted, DeploymentResumed)
"""Events that tell the process id of this simulation."""


@dataclass(frozen=True)
class Result:
    """`outcome` is the deployment's, or `refused`, `killed` or `broken`."""

    seed: int
    outcome: str
    why: str
    after: str
    """Which verb took it up, and how that ended."""
    violations: tuple[str, ...]
    history: str
    """The last that happened before the first violation."""
    struck: tuple[str, ...]
    planned: tuple[Fault, ...]
    requests: int
    excused: int
    crossings: int
    seconds: float
    digest: str
    """Of everything that happened, if it was asked for: equal for equal runs."""

    @property
    def verdict(self) -> str:
        """One line, which is the same for two versions of rollout that do the same."""
        return (
            f"{self.seed} {self.outcome} [{self.after}] v={len(self.violations)} req={self.requests} "
            f"exc={self.excused} x={self.crossings} s={self.seconds:.4f} {','.join(self.struck)}"
        )

    def __str__(self) -> str:
        """What a person needs to find out why it failed."""
        faults = ", ".join(map(str, self.planned)) or "none"
        lines = [
            f"seed {self.seed}: {self.outcome} {self.after}",
            f"  faults planned: {faults}",
            self.history,
        ]
        return "\n".join([*lines, *self.violations, f"again: python -m tests.simulation {self.seed}"])


def nothing_breaks(rng: random.Random, nodes: int) -> Sequence[Fault]:
    """A plan of no fault."""
    return ()


def simulate(seed: int, faults: FaultPlan = plan_faults, *, digest: bool = False) -> Result:
    """The same seed gives the same result."""
    return run(_simulate(seed, faults, digest))


async def _simulate(seed: int, faults: FaultPlan, digest: bool) -> Result:
    world = World(seed, faults)
    with inside(world):
        return await _live(world, seed, digest)


async def _live(world: World, seed: int, digest: bool) -> Result:
    watch, rng = world.watch, random.Random(f"{seed} afterwards")
    await asyncio.sleep(_BEFORE)
    begun = asyncio.get_running_loop().time()
    outcome, why = await _to_its_end(world, "deploy")
    if not world.planned:
        _must_be_done(world, outcome)
    after = ""
    if outcome in ("killed", "interrupted", "failed") and rng.random() < _TAKEN_UP:
        verb = rng.choice(("resume", "restore"))
        await asyncio.sleep(rng.choice((0.0, 0.05, 0.5, 3.0)))
        after = f"{verb}: {(await _to_its_end(world, verb))[0]}"
    seconds = asyncio.get_running_loop().time() - begun
    if not watch.violations:
        await judge(world, outcome)
    if seed % _ROUND_TRIPS == 0:
        _round_trip(world)
    return Result(
        seed=seed,
        outcome=outcome,
        why=why,
        after=after,
        violations=tuple(watch.violations),
        history=watch.history() if watch.violations else "",
        struck=tuple(world.faults.struck),
        planned=world.planned,
        requests=sum(traffic.requests for traffic in world.traffic),
        excused=watch.excused_losses,
        crossings=world.faults.crossings,
        seconds=seconds,
        digest=_digest(world, outcome) if digest else "",
    )


async def _to_its_end(world: World, verb: str) -> tuple[str, str]:
    """Run a verb until it ends, is killed, or something is violated. What is left of it does nothing more."""
    if world.watch.violations:
        return "broken", ""
    before = len(world.watch.records)
    client = world.new_client()
    acting = asyncio.create_task(run_verb(world, verb))
    killed = asyncio.create_task(client.killed())
    ends: list[asyncio.Future[Any]] = [acting, killed, world.watch.broken]
    await asyncio.wait(ends, timeout=_LONGEST, return_when=asyncio.FIRST_COMPLETED)
    outcome, why = "broken", ""
    if client.is_killed:
        outcome = "killed"
    elif acting.done():
        outcome, why = _outcome(acting, world, before)
    elif not world.watch.violations:
        world.watch.violate(f"{verb} does not end")
    client.kill()
    await client.arrived()
    return outcome, why


def _outcome(acting: asyncio.Task[str], world: World, before: int) -> tuple[str, str]:
    """`before` is how many events the journal had when it began."""
    try:
        return acting.result(), ""
    except (Refused, LoadBalancerError) as error:
        if len(world.watch.records) > before:
            world.watch.violate(f"ended in the middle: {error!r}")
        return "refused", str(error)
    except (Exception, Killed) as error:
        world.watch.violate(f"raised {error!r}")
        return "broken", repr(error)


def _must_be_done(world: World, outcome: str) -> None:
    """Where nothing breaks, a deployment that is not refused is done, unless pinned clients never pause and
    are not moved."""
    failures = [record.event.reason for record in world.watch.records if isinstance(record.event, StepFailed)]
    stale = not gaps.GATE_LOOKS_AGAIN and any("is the last server" in reason for reason in failures)
    moved = world.inventory.drain.pinned == "move" and world.inventory.drain.health_page is None
    cookies = [backend.cookie for backends in world.drawn.backends.values() for backend in backends]
    pinned = any(cookies) and not moved
    busy = pinned and any(reason.startswith("not drained within") for reason in failures)
    if outcome in ("failed", "interrupted") and not stale and not busy:
        world.watch.violate(f"nothing broke, and the deployment {outcome}: {failures}")


def _round_trip(world: World) -> None:
    for record in world.watch.records:
        kind, fields = type(record.event).__name__, json.loads(json.dumps(to_fields(record.event)))
        if from_fields(kind, fields) != record.event:
            world.watch.violate(f"comes back from the journal as something else: {record.event}")


def _digest(world: World, outcome: str) -> str:
    watch = world.watch
    told = [
        outcome,
        watch.violations,
        [
            (record.time, record.event)
            for record in watch.records
            if not isinstance(record.event, _OF_PROCESS)
        ],
        [traffic.requests for traffic in world.traffic],
        world.faults.struck,
    ]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
