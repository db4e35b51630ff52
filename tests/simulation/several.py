"""Several deployers of one service: what they do, and what must be true when all of them have ended."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollout.adapters.journal.lines import read_document
from rollout.adapters.journal.shared import SharedJournal
from rollout.cli.journal import last_deployment, node_memories
from rollout.decisions.memory import nodes_to_mend, read_memory
from rollout.decisions.progress import Progress
from rollout.domain import Outcome
from tests.simulation.client import Client
from tests.simulation.deployers import HOMES, Deployers, copy_of
from tests.simulation.ending import judge_nodes, judge_releases, settle
from tests.simulation.longest import LONGEST_WAIT
from tests.support.memory_place import MemoryPlace

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass(frozen=True)
class Errand:
    """What a deployer does beside the first one, so many seconds `after` it."""

    home: str
    after: float
    verb: str
    words: tuple[str, ...]


def plan_errands(rng: random.Random, nodes: Sequence[str]) -> list[Errand]:
    """One or several, at any time."""
    errands = []
    for number in range(rng.choice((1, 1, 2, 3))):
        verb = rng.choice(("deploy", "deploy", "resume", "rollback", "restore", "ready", "drain"))
        words = ["--wait", rng.choice(("0s", "40s", f"{LONGEST_WAIT:g}s"))]
        if verb == "deploy":
            words += ["--release", f"1.{2 + number}"]
        if verb in ("ready", "drain"):
            words.append(rng.choice(nodes))
        home = rng.choice((*HOMES, HOMES[1]))
        errands.append(Errand(home, rng.choice((0.0, 1.0, 5.0, 30.0)) * rng.random(), verb, tuple(words)))
    return errands


async def judge_several(world: World, deployers: Deployers) -> None:
    """Wait until everything has come to rest. Then what each machine knows agrees with what is so."""
    well = await settle(world)
    if world.watch.violations:
        return
    memory = read_document(deployers.stored.memory).get("nodes", {})
    out = {*nodes_to_mend({name: read_memory(document) for name, document in memory.items()})}
    for home in HOMES:
        last, named = await _status(world, deployers, home)
        if unknown := named - out - deployers.waiting:
            world.watch.violate(f"{home} takes {', '.join(unknown)} for out, and the place does not")
        touched = {name for name in world.nodes if deployers.there[name].begun}
        judge_nodes(world, touched, named, well)
        if last is not None and last.outcome is Outcome.DONE:
            judge_releases(world, last)
        shared = max(deployers.stored.facts, default=0)
        number = 0 if last is None else last.deployment
        # One that was killed before the place knew its deployment has touched nothing.
        if number < shared or (number > shared and last is not None and last.touched):
            world.watch.violate(f"on {home}, deployment {number} is the last, at the place it is {shared}")


async def _status(world: World, deployers: Deployers, home: str) -> tuple[Progress | None, set[str]]:
    """What `status` on a machine says: the last deployment, and the nodes that are out, or fell."""
    client = Client(world.faults, random.Random(0), home=home)
    journal = SharedJournal(copy_of(deployers, client), MemoryPlace(deployers.stored), "shop", 1.0)
    await journal.pull()
    last = await last_deployment(journal, "shop")
    return last, {*nodes_to_mend(await node_memories(journal, "shop"))}
