"""What `rollout deploy`, `resume` and `restore` do, each as a new process in the same world."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Collection, Mapping

from rollout.cli.deploy import _noted, warned
from rollout.cli.journals import resumed, started
from rollout.domain import Outcome, Step
from rollout.engine.deployment import Deployment
from rollout.engine.preflight import make_plan, previous_releases, require_safe
from rollout.engine.restoring import restore_node
from rollout.engine.site import Site, survey
from rollout.engine.waiting import both
from rollout.errors import RolloutError
from rollout.events import Event, NodeReturned
from rollout.plan import Plan, select
from rollout.progress import Progress
from tests.simulation.world import World


async def deploy(world: World) -> Outcome:
    """Raises Refused, LoadBalancerError, before anything is touched."""
    site = world.site()
    nodes = select(world.inventory, ())
    (plan, seen), previous = await both(
        make_plan(site, nodes, world.drawn.rolled_to, ours=()), previous_releases(site, nodes)
    )
    await require_safe(site, plan, seen, allow_outage=False)
    for event in (started(plan, "inventory.yml"), *_noted(plan, seen, previous)):
        world.client.record(event)
    return await _carry_out(world, site, plan, previous, {})


async def resume(world: World) -> Outcome:
    """Goes on with what the journal tells. Raises as `deploy`."""
    last = Progress.fold(world.watch.records)
    site = world.site()
    nodes = last.unfinished
    if not nodes:
        return Outcome.DONE
    plan, seen = await make_plan(site, nodes, last.release, ours={*last.left_out, *last.in_doubt})
    await require_safe(site, plan, seen, allow_outage=False)
    if last.done:
        plan = dataclasses.replace(plan, canary=0)
    for event in (resumed(plan), *warned(plan)):
        world.client.record(event)
    before = {name: node.previous_release for name, node in last.nodes.items()}
    previous = {name: release for name, release in before.items() if release}
    return await _carry_out(
        world, site, plan, previous, {name: last.nodes[name].settled for name in plan.nodes}
    )


async def restore(world: World) -> Outcome:
    """Brings back what was left out; DONE if everything was."""
    last = Progress.fold(world.watch.records)
    site = world.site()
    outcome = Outcome.DONE

    def told(event: Event) -> None:
        world.watch.note(str(event))

    with world.watch.by_hand():
        for name in dict.fromkeys((*last.left_out, *last.in_doubt)):
            try:
                await restore_node(site, name, await survey(site), last.nodes[name].servers, told)
            except RolloutError as error:
                world.watch.note(f"{name} stays out: {error}")
                outcome = Outcome.FAILED
            else:
                world.client.record(NodeReturned(name))
    return outcome


async def _carry_out(
    world: World,
    site: Site,
    plan: Plan,
    previous: Mapping[str, str],
    settled: Mapping[str, Collection[Step]],
) -> Outcome:
    deployment = Deployment(site, plan, 1, previous, world.client.record, allow_outage=False, settled=settled)
    running = asyncio.create_task(deployment.run())

    def stop(how: str) -> None:
        if how == "halt":
            deployment.halt("SIGINT")
        else:
            running.cancel()

    world.stop = stop
    try:
        return await running
    except asyncio.CancelledError:
        return Outcome.INTERRUPTED
