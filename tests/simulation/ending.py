"""What must be true when a deployment has come to its end, whichever it was."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from rollout.decisions.fold import fold
from rollout.decisions.memory import NodeMemory, read_memory, remember
from rollout.decisions.progress import Phase, Progress
from rollout.decisions.summary import summary_document
from rollout.events import NodeFailed
from tests.simulation import gaps
from tests.simulation.loop import world_time
from tests.simulation.process import CONFIGURED_MAINT
from tests.simulation.replies import status

if TYPE_CHECKING:
    from tests.simulation.world import World

_SETTLING = 0.5


async def judge(world: World, outcome: str) -> None:
    """Wait until all is at rest, then look at each node."""
    well = await settle(world)
    if world.watch.violations:
        return
    progress = fold(world.disk.records)
    _remembered(world, progress)
    judge_nodes(world, progress.nodes, progress.maybe_out, well)
    if outcome == "done":
        judge_releases(world, progress)


async def settle(world: World) -> set[str]:
    """Wait until everything that was set going has come to rest; the nodes that are well, and have been for
    long enough."""
    settling = _SETTLING + _checks_take(world)
    for traffic in world.traffic:
        traffic.stop()
    await asyncio.sleep(settling)
    now = world_time()
    return {name for name, node in world.nodes.items() if node.well and now - node.well_since >= settling}


def judge_nodes(
    world: World, touched: Container[str], maybe_out: Iterable[str], well: Container[str]
) -> None:
    """Each node is as it was before, or in rotation, unless the journal says that it is, or may be, out."""
    named = set(maybe_out)
    if not gaps.THOSE_NOT_LEFT_OUT_ARE_IN:
        events = [record.event for record in world.watch.records]
        named.update(event.node for event in events if isinstance(event, NodeFailed))
    for name in world.nodes:
        if name in world.watch.operated:
            continue
        if name in world.watch.out_before or name not in touched:
            _as_before(world, name)
        elif name not in named:
            _in_rotation(world, name, well=name in well)
            _without_twins(world, name)


def _without_twins(world: World, name: str) -> None:
    for balancer in world.balancers.values():
        for twin in balancer.process.added.values():
            if twin.node.name == name and balancer.answers:
                world.watch.violate(f"{twin.path} on {balancer.name} was left")


def _remembered(world: World, progress: Progress) -> None:
    """What is kept beside the facts is what follows from them, whenever a process was killed."""
    kept = {name: read_memory(document) for name, document in world.disk.nodes.items()}
    derived = remember({}, progress, progress.nodes)
    if [*_without_times(kept)] != [*_without_times(derived)]:
        world.watch.violate(f"the journal remembers {kept}, and its facts say {derived}")
    if progress.started is not None and world.disk.summary != summary_document(progress):
        world.watch.violate(f"the journal has the summary {world.disk.summary} of {progress}")


def _without_times(memories: Mapping[str, NodeMemory]) -> Iterator[tuple[str, NodeMemory]]:
    """The memories, in order; a node that was taken up again is out since its first turn, which the fold does
    not know."""
    for name, memory in sorted(memories.items()):
        out = None if memory.out is None else dataclasses.replace(memory.out, since=0.0)
        if out is not None or memory.release is not None:
            yield name, dataclasses.replace(memory, out=out)


def _checks_take(world: World) -> float:
    """Seconds until every check has said what it has to say."""
    checks = [
        config.check
        for balancer in world.balancers.values()
        for backend in balancer.backends
        for config in backend.servers
        if config.check is not None
    ]
    return max((check.inter * (check.rise + check.fall) + check.timeout for check in checks), default=0.0)


def _as_before(world: World, name: str) -> None:
    for balancer in world.balancers.values():
        if balancer.process.pid > 1001:
            continue  # a reload forgets, and nobody wrote the state down
        for server in world.servers(name, balancer):
            if (server.admin, server.weight) != world.before[balancer.name, server.path]:
                world.watch.violate(
                    f"{server.path} on {balancer.name} is not as it was before: {server.admin}"
                )


def _in_rotation(world: World, name: str, *, well: bool) -> None:
    """A node that nobody named as out: nothing keeps it out, and it takes requests if it is `well`."""
    node = world.nodes[name]
    if node.files:
        world.watch.violate(f"{name} is still drained by its page, and the journal does not name it")
    for balancer in world.balancers.values():
        if balancer.dead:
            continue
        for server in world.servers(name, balancer):
            admin = server.admin & ~CONFIGURED_MAINT
            if admin:
                world.watch.violate(
                    f"{server.path} on {balancer.name} is out ({admin}), and the journal does not name it"
                )
            elif server.weight not in (server.config.weight, world.weight_before(balancer, server)):
                world.watch.violate(f"{server.path} on {balancer.name} is left with weight {server.weight}")
            elif well and not server.takes_new:
                world.watch.violate(
                    f"{server.path} on {balancer.name} does not come up again: {status(server)}"
                )


def judge_releases(world: World, progress: Progress) -> None:
    """A deployment that is done has put the release on every node that it was to roll."""
    if world.inventory.release is None:
        return
    for name in progress.names(Phase.DONE):
        wanted = progress.release_of(name)
        node = world.nodes[name]
        if wanted is not None and node.release != wanted:
            world.watch.violate(f"the deployment is done, and {name} runs {node.release}")
        if wanted is not None and len(world.inventory.restarts) > 1 and node.worker != wanted:
            world.watch.violate(f"the deployment is done, and {name}'s worker runs {node.worker}")
