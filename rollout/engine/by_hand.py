"""One node taken out of rotation or put back by hand, by the steps of a deployment and with its proofs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from rollout.decisions.alike import first_of
from rollout.decisions.capacity import WHAT_TO_DO, shortages
from rollout.decisions.finding import refusals
from rollout.decisions.progress import NodeProgress
from rollout.decisions.warmup import server_before
from rollout.domain import AdminState, Server, ServerBefore, ServerState, Standing, Step
from rollout.engine.checks.on_configuration import client_findings
from rollout.engine.checks.standing_now import standings_now
from rollout.engine.log import Recorder, StepLog, step
from rollout.engine.rotation.protocol import Rotation
from rollout.engine.site import Site, Survey
from rollout.engine.steps.proof import prove
from rollout.engine.steps.restart import at_rest
from rollout.errors import StepFailure
from rollout.remote import runtime


async def drain_node(
    site: Site, name: str, seen: Survey, record: Recorder, *, allow_outage: bool, keep: bool = False
) -> None:
    """Take a node out of rotation and prove that it is drained; without that proof it goes back.

    To `keep` it out, a reload of HAProxy must not bring it back. Where one would, the node is drained all the
    same, and that is a failure. Raises StepFailure, LoadBalancerError, HostError.
    """
    servers = seen.placement[name]
    rotation = site.rotation(site.context(name, None), servers)
    async with step(record, name, Step.DRAIN) as log:
        problems = shortages(seen.states(), servers, site.inventory.strategy.min_ready)
        if problems and not allow_outage:
            raise StepFailure(first_of([*problems.values()], "; "), hint=WHAT_TO_DO)
        for refusal in refusals(await client_findings(site, [name], seen)):
            raise StepFailure(f"{refusal.subject}: {refusal.text}", hint=refusal.hint)
        try:
            await rotation.leave(log)
            await rotation.drained(log)
        except BaseException:
            await rotation.give_back(log)
            raise
        if keep:
            _require_kept(name, rotation, log)


def _require_kept(name: str, rotation: Rotation, log: StepLog) -> None:
    """Raises StepFailure if a load balancer would forget that the node is out."""
    if not (forgotten_by := rotation.forgotten_by):
        log.add("it stays out over a reload or restart of HAProxy")
        return
    where = ", ".join(forgotten_by)
    reasons = "; ".join(f"{balancer}: {why}" for balancer, why in forgotten_by.items())
    raise StepFailure(
        f"it takes no traffic now, but a reload or restart of HAProxy on {where} puts it back: {reasons}",
        hint=f"stop the application on {name}, so that HAProxy's checks keep it out; for the next time, let "
        "HAProxy load a state file, or drain by `drain.health_page`",
    )


async def restore_node(site: Site, node: NodeProgress, seen: Survey, record: Recorder) -> None:
    """Leave a node as a deployment found it: back in rotation, or out where somebody else kept it out.

    Its weights are set again, except one that somebody has changed since. A node that is not healthy
    stays out. Raises StepFailure, LoadBalancerError, HostError.
    """
    await _put_back(site, node.name, seen, record, before=await _before(site, node, seen))


async def make_ready(
    site: Site, name: str, noted: NodeProgress | None, seen: Survey, record: Recorder
) -> None:
    """Put all servers of a node into rotation, whoever took them out. Otherwise like `restore_node`.

    `noted` is the record of the deployment that left the node out.
    """
    before = await _before(site, noted or NodeProgress(name), seen)
    ready = {server: dataclasses.replace(known, admin=AdminState.READY) for server, known in before.items()}
    await _put_back(site, name, seen, record, before=ready)


async def _put_back(
    site: Site,
    name: str,
    seen: Survey,
    record: Recorder,
    *,
    before: Mapping[Server, ServerBefore],
) -> None:
    """Put the servers of a node that are out back as they were `before`, then set lost weights again."""
    states = seen.states(name)
    by_page = site.inventory.drain.health_page is not None
    out = [s.server for s in states if by_page or (s.admin.is_out and not _is_as(before[s.server], s))]
    if states and not out and not any(state.admin.is_out for state in states):
        async with step(record, name, Step.READY) as log:
            _require_traffic(states, before)
            log.detail = "the node takes traffic already"
    else:
        await _bring_into_rotation(site, name, out, before, record)
    kept = [state for state in states if state.server not in out]
    await _set_lost_weights(site, name, kept, before, record)


async def _bring_into_rotation(
    site: Site, name: str, out: Sequence[Server], before: Mapping[Server, ServerBefore], record: Recorder
) -> None:
    """Prove that a node is healthy and let it in. Without the proof it stays out."""
    context = site.context(name, None)
    rotation = site.rotation(context, out, before)
    entered = False
    try:
        async with step(record, name, Step.VERIFY) as log:
            await at_rest(context, log)
            await prove(context, rotation, log)
        async with step(record, name, Step.READY) as log:
            await rotation.enter(log)
            entered = True
            await rotation.warm_up(log)
    except BaseException:
        await (rotation.give_back(log) if entered else rotation.stay_out(log))
        raise


async def _set_lost_weights(
    site: Site,
    name: str,
    states: Sequence[ServerState],
    before: Mapping[Server, ServerBefore],
    record: Recorder,
) -> None:
    """Set the weights again that a reload of HAProxy, or a warm-up that was cut short, has replaced, and
    enable the agents that the warm-up had disabled."""
    log = StepLog(record, name, Step.READY)
    for state in states:
        known = before[state.server]
        lines = [runtime.weight(state.server, known.weight)] if known.weight_is_lost(state) else []
        if known.agent and state.agent_disabled:
            lines.append(runtime.enable_agent(state.server))
        for line in lines:
            log.sent(state.server.load_balancer, line)
            await site.load_balancers[state.server.load_balancer].send([line])


async def _before(site: Site, node: NodeProgress, seen: Survey) -> dict[Server, ServerBefore]:
    """The target state of each server of a node: as it was noted, or ready where nothing was noted.

    An agent that is disabled is taken for one that `rollout drain` has disabled.
    """
    before = {}
    standing = await standings_now(site, [node.name], seen)
    for state in seen.states(node.name):
        now = dataclasses.replace(
            server_before(state, site.inventory.warmup, standing[state.server]),
            admin=AdminState.READY,
            agent=state.agent_checked or (state.agent_disabled and state.admin.is_out),
        )
        known = node.server_before(state.server) or now
        before[state.server] = known if known.weight_is_lost(state) else known.with_weight(state.weight)
    return before


def _is_as(before: ServerBefore, state: ServerState) -> bool:
    """Whether a server that somebody else keeps out still is as they set it."""
    return before.kept_out and before.admin.forced == state.admin.forced


def _require_traffic(states: Sequence[ServerState], before: Mapping[Server, ServerBefore]) -> None:
    """Raises StepFailure for a node that nobody took out, but that takes no traffic all the same."""
    down = [
        f"{state.server} shows {state.status}, weight {state.weight}"
        for state in states
        if not state.in_rotation and before[state.server].standing is not Standing.DOWN
    ]
    if down:
        raise StepFailure(
            f"nobody took the node out of rotation, but it takes no traffic: {first_of(down)}",
            hint="either HAProxy's health check fails, or the weight is 0: see `rollout status`",
        )
