"""One step for one node, by hand: the same as in a deployment, with the same proofs."""

from __future__ import annotations

from rollout.domain import Step
from rollout.engine.log import Recorder, step
from rollout.engine.site import Site, Survey
from rollout.engine.verify import verify
from rollout.errors import StepFailure
from rollout.plan import last_of_backend


async def drain_node(site: Site, name: str, seen: Survey, record: Recorder, *, allow_outage: bool) -> None:
    """Take a node out and prove that it is drained; it goes back if that cannot be proven.

    Raises StepFailure, LoadBalancerError, HostError.
    """
    servers = seen.placement[name]
    rotation = site.rotation(site.context(name, None), servers)
    async with step(record, name, Step.DRAIN) as log:
        problem = last_of_backend(seen.states(), servers)
        if problem and not allow_outage:
            raise StepFailure(problem, hint="--allow-outage takes it out all the same")
        try:
            await rotation.leave(log)
            await rotation.drained(log)
        except BaseException:
            await rotation.give_back(log)
            raise


async def ready_node(site: Site, name: str, seen: Survey, record: Recorder) -> None:
    """Put a node back that is healthy; servers of it that take traffic already are left alone.

    Raises StepFailure, LoadBalancerError, HostError.
    """
    health = site.inventory.health
    by_page = site.inventory.drain.health_page is not None
    states = seen.states(name)
    out = [state.server for state in states if not state.in_rotation]
    if health is not None:
        async with step(record, name, Step.VERIFY) as log:
            await verify(site.context(name, None), health, log, draining=by_page)
    async with step(record, name, Step.READY) as log:
        if not out and states and not by_page:
            log.detail = "it was in rotation already"
            return
        await site.rotation(site.context(name, None), out).rejoin(log)
