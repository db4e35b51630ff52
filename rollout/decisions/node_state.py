"""A service as it is now: every node's state, judged from what every load balancer shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rollout.domain import NodeState, OperationalState, Reading, ServerState


@dataclass(frozen=True, slots=True)
class HealthSeen:
    """`status` is the HTTP status, `None` without an answer; `detail` is what is wrong."""

    healthy: bool
    status: int | None
    release: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """`health` is `None` where the inventory names no health page."""

    name: str
    host: str
    state: NodeState
    health: HealthSeen | None
    servers: tuple[ServerState, ...]


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """`unreachable` are load balancers that could not be read, with the reason."""

    nodes: tuple[NodeStatus, ...]
    readings: tuple[Reading, ...]
    unreachable: Mapping[str, str]


def node_state(states: Sequence[ServerState]) -> NodeState:
    """The state of a node that is these servers: the one furthest from `ready` among them.

    A node of which some servers are out and some still take traffic is on its way: `draining`.
    """
    if not states:
        return NodeState.UNKNOWN
    each = {server_state(state) for state in states}
    if NodeState.READY in each and len(each) > 1:
        return NodeState.DOWN if NodeState.DOWN in each else NodeState.DRAINING
    order = (NodeState.DOWN, NodeState.DRAINING, NodeState.MAINT, NodeState.DRAINED)
    return next((state for state in order if state in each), NodeState.READY)


def server_state(state: ServerState) -> NodeState:
    """The same words for one server. Weight 0 and a 404 page keep new requests away as a drain does."""
    if state.admin.in_maintenance:
        return NodeState.MAINT if state.idle else NodeState.DRAINING
    kept_away = state.weight == 0 or state.operational is OperationalState.STOPPING
    if state.admin.in_drain or (kept_away and state.operational is not OperationalState.STOPPED):
        return NodeState.DRAINED if state.idle else NodeState.DRAINING
    return NodeState.READY if state.running else NodeState.DOWN
