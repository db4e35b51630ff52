"""Nodes that a deployment left out, and that take traffic all the same. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rollout.decisions.memory import LeftOut
from rollout.decisions.node_state import NodeStatus, SiteStatus
from rollout.domain import NodeState


@dataclass(frozen=True, slots=True)
class Rejoined:
    """A node that takes traffic although a deployment left it out, as after a reload of HAProxy."""

    node: str
    deployment: int
    """The deployment that left it out."""
    seen: tuple[str, ...]
    """What shows that it takes traffic: each of its servers in rotation, or its health page."""


def rejoined(left_out: Mapping[str, LeftOut], status: SiteStatus) -> list[Rejoined]:
    """The nodes that certainly were left out, and that nobody brought back by rollout, but that take traffic
    now."""
    return [
        Rejoined(node.name, out.deployment, seen)
        for node in status.nodes
        if (out := left_out.get(node.name)) is not None and out.certain
        if (seen := tuple(_taking_traffic(node, out)))
    ]


def _taking_traffic(node: NodeStatus, out: LeftOut) -> Iterator[str]:
    """What shows that a node takes traffic, where nobody else had kept it out before."""
    noted = out.as_progress(node.name)
    for state in node.servers:
        before = noted.server_before(state.server)
        if state.in_rotation and not (before is not None and before.kept_out):
            yield f"{state.server} shows {state.status}"
    if not node.servers and node.state is NodeState.READY:
        yield "its health page is right"
