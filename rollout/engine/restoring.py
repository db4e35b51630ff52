"""Bringing a node that a deployment left out back as it was before, without deploying anything."""

from __future__ import annotations

import dataclasses

from rollout.domain import AdminState, Found, Server
from rollout.engine.by_hand import ready_node
from rollout.engine.log import Recorder
from rollout.engine.site import Site, Survey
from rollout.progress import NodeProgress
from rollout.warmup import found


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


def _before(site: Site, node: NodeProgress, seen: Survey) -> dict[Server, Found]:
    before = {}
    for state in seen.states(node.name):
        now = dataclasses.replace(found(state, site.inventory.warmup), admin=AdminState.READY)
        known = node.found(state.server) or now
        before[state.server] = known if known.weight_is_lost(state) else known.with_weight(state.weight)
    return before
