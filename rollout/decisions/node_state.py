"""States of nodes and servers now, judged from what every load balancer shows. Values in, values out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rollout.domain import NodeState, OperationalState, Reading, ServerState


@dataclass(frozen=True, slots=True)
class HealthSeen:
    """Answer of a node's health page, judged."""

    healthy: bool
    status: int | None
    """HTTP status; `None` without an answer."""
    release: str | None
    """The release that the page reports; `None` if it reports none."""
    detail: str
    """The fault; empty if there is none."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """Status of a node."""

    name: str
    host: str
    state: NodeState
    health: HealthSeen | None
    """`None` where the inventory names no health page."""
    servers: tuple[ServerState, ...]
    """Its servers on all load balancers that could be read."""


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """Status of a service: its nodes, and the readings from which their states were judged."""

    nodes: tuple[NodeStatus, ...]
    readings: tuple[Reading, ...]
    unreachable: Mapping[str, str]
    """Load balancers that could not be read, by name, each with the reason."""


def node_state(states: Sequence[ServerState]) -> NodeState:
    """The state of a node with these servers: the one among theirs that is furthest from `ready`.

    A node is `draining` while some of its servers are out and others still take traffic.
    """
    if not states:
        return NodeState.UNKNOWN
    each = {server_state(state) for state in states}
    if NodeState.READY in each and len(each) > 1:
        return NodeState.DOWN if NodeState.DOWN in each else NodeState.DRAINING
    order = (NodeState.DOWN, NodeState.DRAINING, NodeState.MAINT, NodeState.DRAINED)
    return next((state for state in order if state in each), NodeState.READY)


def server_state(state: ServerState) -> NodeState:
    """The state of one server. Weight 0 and a 404 page keep new requests away as a drain does."""
    if state.admin.in_maintenance:
        return NodeState.MAINT if state.idle else NodeState.DRAINING
    kept_away = state.weight == 0 or state.operational is OperationalState.STOPPING
    if state.admin.in_drain or (kept_away and state.operational is not OperationalState.STOPPED):
        return NodeState.DRAINED if state.idle else NodeState.DRAINING
    return NodeState.READY if state.running else NodeState.DOWN
