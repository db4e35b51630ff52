"""Bringing a node that a deployment left out back as it was before, without deploying anything."""

from __future__ import annotations

import dataclasses

from rollout import runtime
from rollout.domain import AdminState, Found, Step
from rollout.engine.by_hand import ready_node
from rollout.engine.log import Recorder, StepLog
from rollout.engine.site import Site, Survey
from rollout.progress import NodeProgress


async def restore_node(site: Site, node: NodeProgress, seen: Survey, record: Recorder) -> None:
    """Put back what was in rotation, with the weight that it had; what was out before is out again.

    A weight that somebody set since stays. Raises StepFailure if the node is not healthy, and then it stays
    out; LoadBalancerError, HostError.
    """
    before = {}
    for state in seen.states(node.name):
        found = node.found(state.server) or Found(AdminState.READY, state.weight)
        lost = found.weight_is_lost(state)
        before[state.server] = found if lost else dataclasses.replace(found, weight=state.weight)
    await ready_node(site, node.name, seen, record, before=before)
    log = StepLog(record, node.name, Step.READY)
    for state in seen.states(node.name):
        if before[state.server].weight_is_lost(state):
            line = runtime.weight(state.server, before[state.server].weight)
            log.sent(state.server.load_balancer, line)
            await site.load_balancers[state.server.load_balancer].send([line])
