"""One node taken out or put back by hand: the same steps as in a deployment, with the same proofs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from rollout.decisions.capacity import WHAT_TO_DO, shortages
from rollout.decisions.progress import NodeProgress
from rollout.decisions.warmup import found
from rollout.domain import AdminState, Server, ServerBefore, ServerState, Step
from rollout.engine.log import Recorder, StepLog, step
from rollout.engine.site import Site, Survey
from rollout.engine.steps.proof import prove
from rollout.errors import StepFailure
from rollout.remote import runtime


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
    site: Site,
    name: str,
    seen: Survey,
    record: Recorder,
    *,
    before: Mapping[Server, ServerBefore],
) -> None:
    """Put a node back that is healthy, but for servers that are as they were `before`; of all of them, the
    weights.

    Raises StepFailure, LoadBalancerError, HostError.
    """
    states = seen.states(name)
    by_page = site.inventory.drain.health_page is not None
    out = [s.server for s in states if by_page or (s.admin.is_out and not _is_as(before[s.server], s))]
    if states and not out and not any(state.admin.is_out for state in states):
        async with step(record, name, Step.READY) as log:
            log.detail = _require_in_rotation(states)
    else:
        await _into_rotation(site, name, out, before, record)
    log = StepLog(record, name, Step.READY)
    for state in states:
        if state.server not in out and before[state.server].weight_is_lost(state):
            line = runtime.weight(state.server, before[state.server].weight)
            log.sent(state.server.load_balancer, line)
            await site.load_balancers[state.server.load_balancer].send([line])


async def restore_node(site: Site, node: NodeProgress, seen: Survey, record: Recorder) -> None:
    """Put back what was in rotation, with the weight that it had; what was out before is out again.

    A weight that somebody set since stays. Raises StepFailure if the node is not healthy, and then it stays
    out; LoadBalancerError, HostError.
    """
    await ready_node(site, node.name, seen, record, before=_before(site, node, seen))


async def make_ready(
    site: Site, name: str, noted: NodeProgress | None, seen: Survey, record: Recorder
) -> None:
    """Put all of a node into rotation, whatever it was before. Otherwise as `restore_node`; `noted` is what a
    deployment that left the node out knows of it."""
    before = _before(site, noted or NodeProgress(name), seen)
    ready = {server: dataclasses.replace(known, admin=AdminState.READY) for server, known in before.items()}
    await ready_node(site, name, seen, record, before=ready)


async def _into_rotation(
    site: Site, name: str, out: Sequence[Server], before: Mapping[Server, ServerBefore], record: Recorder
) -> None:
    context = site.context(name, None)
    rotation = site.rotation(context, out, before)
    entered = False
    try:
        async with step(record, name, Step.VERIFY) as log:
            await prove(context, rotation, log)
        async with step(record, name, Step.READY) as log:
            await rotation.enter(log)
            entered = True
            await rotation.warm_up(log)
    except BaseException:
        await (rotation.give_back(log) if entered else rotation.hold(log))
        raise


def _before(site: Site, node: NodeProgress, seen: Survey) -> dict[Server, ServerBefore]:
    before = {}
    for state in seen.states(node.name):
        now = dataclasses.replace(found(state, site.inventory.warmup), admin=AdminState.READY)
        known = node.server_before(state.server) or now
        before[state.server] = known if known.weight_is_lost(state) else known.with_weight(state.weight)
    return before


def _is_as(before: ServerBefore, state: ServerState) -> bool:
    """Somebody else keeps it out, and it is as they set it."""
    return before.kept_out and before.admin.forced == state.admin.forced


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
