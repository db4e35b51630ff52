"""The plan of a deployment, decided before anything is touched."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rollout.decisions.capacity import Capacity
from rollout.decisions.placement import Placement
from rollout.domain import Server, ServerBefore, ServerState
from rollout.errors import UsageError
from rollout.inventory.model import Inventory


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one deployment."""

    service: str
    release: str | None
    """`None` is a rolling restart."""
    nodes: tuple[str, ...]
    """In the order in which they are rolled."""
    skipped: Mapping[str, str]
    """Nodes that somebody else took out of rotation, with the reason."""
    waves: tuple[int, ...]
    """The number of nodes in each wave: all of them are rolled before the next wave starts."""
    canary: int
    """How many nodes of the first wave try the release; 0 without a canary."""
    window: int
    """How many nodes may be out of rotation at once."""
    placement: Placement
    capacity: tuple[Capacity, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What is as it should be, and good to know: servers that may stay down, and who is rolled last."""
    before: Mapping[Server, ServerBefore] = field(default_factory=dict)
    """How each server of the nodes was before anything was touched, which is how it is left."""
    addresses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The IP addresses of each node, by which it was found."""
    taken_up: frozenset[str] = frozenset()
    """Nodes that an earlier deployment left out: they may be in any state."""
    releases: Mapping[str, str] = field(default_factory=dict)
    """The release of each node that gets a release other than `release`."""
    back: bool = False
    """Whether the nodes go back to what they ran before."""

    def release_of(self, node: str) -> str | None:
        """The release that `node` gets; `None` is a restart."""
        return self.releases.get(node, self.release)


def select(inventory: Inventory, limit: Sequence[str]) -> tuple[str, ...]:
    """The nodes that `--limit` names, in the inventory's order; all without it. Raises UsageError."""
    unknown = [name for name in limit if name not in inventory.nodes]
    if unknown:
        near = difflib.get_close_matches(unknown[0], inventory.nodes, n=1)
        raise UsageError(
            f"{inventory.path} has no node {', '.join(map(repr, unknown))}",
            hint=f"did you mean {near[0]}?" if near else f"its nodes are {', '.join(inventory.nodes)}",
        )
    limited = frozenset(limit or inventory.nodes)
    return tuple(name for name in inventory.nodes if name in limited)


def out_of_rotation(states: Iterable[ServerState]) -> str:
    """Why one of these servers is out of rotation by somebody's decision; empty if none is."""
    for state in states:
        if state.admin.in_maintenance:
            return f"{state.server} is in maintenance"
        if state.admin.in_drain:
            return f"{state.server} is drained"
        if state.weight == 0:
            return f"{state.server} has weight 0"
    return ""
