"""One seed: a world, a deployment of the real engine in it, and what became of both."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rollout.errors import HostError, LoadBalancerError, LockLost, PlaceError, Refused
from rollout.events import DeploymentResumed, DeploymentStarted, StepFailed, from_fields, to_fields
from tests.simulation import gaps
from tests.simulation.client import Client, Killed
from tests.simulation.deployers import HOMES
from tests.simulation.ending import judge
from tests.simulation.faults import Fault, plan_faults
from tests.simulation.longest import longest
from tests.simulation.loop import VirtualLoop, run, world_time
from tests.simulation.several import Errand, judge_several, plan_errands
from tests.simulation.sleeping import SleepyLoop
from tests.simulation.verbs import BY_HAND, inside, run_verb
from tests.simulation.world import World

FaultPlan = Callable[[random.Random, int], Sequence[Fault]]

_BEFORE = 0.4
"""Seconds of traffic before it begins."""
_TAKEN_UP = 0.8
"""The share of deployments that did not end well which are resumed, or what they left out restored."""
_SEVERAL = 0.25
"""The share of seeds with several deployers."""
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


def simulate(
    seed: int, faults: FaultPlan = plan_faults, *, several: bool | None = None, digest: bool = False
) -> Result:
    """The same seed gives the same result. `several` says if there are several deployers; without it, some
    seeds have them."""
    if several is None:
        several = random.Random(f"{seed} several").random() < _SEVERAL
    return run(_simulate(seed, faults, several, digest), SleepyLoop if several else VirtualLoop)


async def _simulate(seed: int, faults: FaultPlan, several: bool, digest: bool) -> Result:
    world = World(seed, faults, several=several)
    with inside(world):
        return await _live(world, seed, digest)


async def _live(world: World, seed: int, digest: bool) -> Result:
    watch = world.watch
    await asyncio.sleep(_BEFORE)
    begun = world_time()
    if world.several is None:
        outcome, why, after = await _one_deployer(world, random.Random(f"{seed} afterwards"))
    else:
        outcome, why, after = await _several_deployers(world, random.Random(f"{seed} deployers"))
    seconds = world_time() - begun
    if not watch.violations:
        await (judge(world, outcome) if world.several is None else judge_several(world, world.several))
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


async def _one_deployer(world: World, rng: random.Random) -> tuple[str, str, str]:
    """A deployment, and what takes it up where it did not end well: how both ended."""
    words = ["--release", world.drawn.rolled_to] if world.drawn.rolled_to else []
    outcome, why = await to_its_end(world, "deploy", words)
    if not world.planned:
        _must_be_done(world, outcome)
    after = ""
    if outcome in ("killed", "interrupted", "failed") and rng.random() < _TAKEN_UP:
        verb = rng.choice(("resume", "restore"))
        await asyncio.sleep(rng.choice((0.0, 0.05, 0.5, 3.0)))
        after = f"{verb}: {(await to_its_end(world, verb))[0]}"
    return outcome, why, after


async def _several_deployers(world: World, rng: random.Random) -> tuple[str, str, str]:
    """A deployment, and what deployers of two machines do beside it and after it: how all of it ended."""
    words = ["--release", world.drawn.rolled_to] if world.drawn.rolled_to else []
    errands = plan_errands(rng, [*world.nodes])

    async def do(errand: Errand) -> str:
        await asyncio.sleep(errand.after)
        if errand.verb == "drain":
            world.watch.operated.update(dict.fromkeys(world.nodes.keys() & set(errand.words)))
        outcome, _ = await to_its_end(world, errand.verb, errand.words, errand.home)
        return f"{errand.verb} on {errand.home}: {outcome}"

    first, *others = await asyncio.gather(to_its_end(world, "deploy", words, HOMES[0]), *map(do, errands))
    return *first, "; ".join(others)


async def to_its_end(world: World, verb: str, words: Sequence[str] = (), home: str = "") -> tuple[str, str]:
    """Run a verb until it ends, is killed, or something is violated. What is left of it does nothing more."""
    if world.watch.violations:
        return "broken", ""
    client = world.new_client(by_hand=verb in BY_HAND, home=home)
    acting = world.loop.start(client, run_verb(verb, words))
    killed = asyncio.create_task(client.killed())
    ends: list[asyncio.Future[Any]] = [acting, killed, world.watch.broken]
    await asyncio.wait(ends, timeout=longest(world), return_when=asyncio.FIRST_COMPLETED)
    outcome, why = "broken", ""
    if client.is_killed:
        outcome = "killed"
    elif acting.done():
        outcome, why = _outcome(acting, world, client)
    elif not world.watch.violations:
        world.watch.violate(f"{verb} does not end")
    client.kill()
    await client.arrived()
    return outcome, why


def _outcome(acting: asyncio.Task[str], world: World, client: Client) -> tuple[str, str]:
    try:
        return acting.result(), ""
    except (Refused, LoadBalancerError, HostError, PlaceError, LockLost) as error:
        if client.events and not client.by_hand:
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
