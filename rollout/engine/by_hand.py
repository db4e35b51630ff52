"""One step for one node, by hand: the same as in a deployment, with the same proofs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rollout.capacity import WHAT_TO_DO, shortages
from rollout.domain import Server, ServerState, Step
from rollout.engine.log import Recorder, step
from rollout.engine.proof import prove
from rollout.engine.site import Site, Survey
from rollout.errors import StepFailure


async def drain_node(site: Site, name: str, seen: Survey, record: Recorder, *, allow_outage: bool) -> None:
    """Take a node out and prove that it is drained; it goes back if that cannot be proven.

    Raises StepFailure, LoadBalancerError, HostError.
    """
    servers = seen.placement[name]
    rotation = site.rotation(site.context(name, None), servers)
    async with step(record, name, Step.DRAIN) as log:
        problems = shortages(seen.states(), servers, site.inventory.strategy.min_ready)
        if problems and not allow_outage:
            raise StepFailure("; ".join(problems.values()), hint=WHAT_TO_DO)
        try:
            await rotation.leave(log)
            await rotation.drained(log)
        except BaseException:
            await rotation.give_back(log)
            raise


async def ready_node(
    site: Site, name: str, seen: Survey, record: Recorder, *, keep: Collection[Server] = ()
) -> None:
    """Put a node back that is healthy; servers of it that nobody took out are left alone.

    So are those in `keep`: it was somebody's decision that they are out. Raises StepFailure,
    LoadBalancerError, HostError.
    """
    states = [state for state in seen.states(name) if state.server not in keep]
    by_page = site.inventory.drain.health_page is not None
    out = [s.server for s in states if by_page or s.admin.in_maintenance or s.admin.in_drain]
    if states and not out:
        async with step(record, name, Step.READY) as log:
            log.detail = _require_in_rotation(states)
        return
    context = site.context(name, None)
    rotation = site.rotation(context, out)
    try:
        async with step(record, name, Step.VERIFY) as log:
            await prove(context, rotation, log)
        async with step(record, name, Step.READY) as log:
            await rotation.enter(log)
    except BaseException:
        await rotation.hold(log)
        raise


def _require_in_rotation(states: Sequence[ServerState]) -> str:
    """What to say of a node that nobody took out. Raises StepFailure if it takes no traffic all the same."""
    down = [
        f"{state.server} shows {state.status}, weight {state.weight}"
        for state in states
        if not state.in_rotation
    ]
    if down:
        raise StepFailure(
            f"nobody took it out of rotation, but it takes no traffic: {', '.join(down)}",
            hint="HAProxy's own check decides this, or its weight",
        )
    return "it takes traffic already"
