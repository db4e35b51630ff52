"""Bringing a node that a deployment left out back as it was before, without deploying anything."""

from __future__ import annotations

from collections.abc import Sequence

from rollout import runtime
from rollout.domain import AdminState, Server, Step
from rollout.engine.by_hand import ready_node
from rollout.engine.log import Recorder, StepLog
from rollout.engine.site import Site, Survey
from rollout.events import ServerNoted


async def restore_node(
    site: Site, name: str, seen: Survey, before: Sequence[ServerNoted], record: Recorder
) -> None:
    """Put back what was in rotation, with the weight that it had; what was out before stays out.

    `before` is how the node's servers were noted. Raises StepFailure if the node is not healthy, and then it
    stays out; LoadBalancerError, HostError.
    """
    noted = {Server(note.load_balancer, note.backend, note.server): note for note in before}
    was_out = [server for server, note in noted.items() if _was_out(note)]
    await ready_node(site, name, seen, record, keep=was_out)
    log = StepLog(record, name, Step.READY)
    for state in seen.states(name):
        note = noted.get(state.server)
        if note is not None and note.weight != state.weight:
            line = runtime.weight(state.server, note.weight)
            log.sent(state.server.load_balancer, line)
            await site.load_balancers[state.server.load_balancer].send([line])


def _was_out(note: ServerNoted) -> bool:
    admin = AdminState(note.admin)
    return admin.in_maintenance or admin.in_drain
