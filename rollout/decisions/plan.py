"""What a deployment will do, decided before anything is touched. Values in, values out."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rollout.decisions.capacity import Capacity
from rollout.domain import Reading, Server, ServerBefore, ServerState
from rollout.errors import Refused, UsageError
from rollout.inventory.model import Inventory

Placement = Mapping[str, tuple[Server, ...]]
"""Every server that a node is, by the node's name."""


@dataclass(frozen=True, slots=True)
class Plan:
    service: str
    release: str | None
    nodes: tuple[str, ...]
    """In the order in which they are rolled."""
    skipped: Mapping[str, str]
    """Nodes that somebody else took out of rotation, with the reason."""
    waves: tuple[int, ...]
    """How many of the nodes are rolled before the next ones are judged."""
    canary: int
    """How many of the first wave are there to try the release."""
    window: int
    placement: Placement
    capacity: tuple[Capacity, ...]
    warnings: tuple[str, ...] = ()
    before: Mapping[Server, ServerBefore] = field(default_factory=dict)
    """How the nodes' servers were before they were touched, which is how they are left."""
    taken_up: frozenset[str] = frozenset()
    """Nodes that an earlier try left out: they may be in any state."""
    releases: Mapping[str, str] = field(default_factory=dict)
    """What a node gets where that is not `release`."""
    back: bool = False
    """The nodes go back to what they ran before."""

    def release_of(self, node: str) -> str | None:
        """What `node` gets; `None` is a restart."""
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
    return tuple(name for name in inventory.nodes if not limit or name in limit)


def place(
    inventory: Inventory, readings: Sequence[Reading], addresses: Mapping[str, frozenset[str]]
) -> Placement:
    """Find the servers that each node is, by name or by address.

    `addresses` are the IP addresses of each node. A server that bears a node's name is that node's, unless it
    is at the address of others alone, and nobody gave the name as `server:`; any other one belongs to the
    node at its address. Raises Refused, with all that is wrong.
    """
    names = {node.server or name: name for name, node in inventory.nodes.items()}
    by_name_only = {name for name, node in inventory.nodes.items() if node.server}
    found: dict[str, list[Server]] = {name: [] for name in inventory.nodes}
    problems = []
    for reading in readings:
        wanted = inventory.load_balancers[reading.load_balancer].backends
        known = {state.server.backend for state in reading.servers}
        problems += [
            _no_backend(reading.load_balancer, name, known) for name in wanted or () if name not in known
        ]
        for state in reading.servers:
            if wanted is not None and state.server.backend not in wanted:
                continue
            here = [name for name in inventory.nodes if state.address in addresses.get(name, ())]
            namesake = names.get(state.server.name)
            if namesake and here and namesake not in here and namesake not in by_name_only:
                problems.append(
                    f"{state.server} is named like {namesake}, but is at the address of {', '.join(here)}: "
                    "say which it is by `server:`"
                )
                continue
            if namesake:
                found[namesake].append(state.server)
                continue
            here = [name for name in here if name not in by_name_only]
            if len(here) > 1:
                problems.append(
                    f"{state.server} at {state.address}:{state.port} may be any of {', '.join(here)}: "
                    "give each its `server:` name"
                )
            elif here:
                found[here[0]].append(state.server)
    if problems:
        raise Refused("\n".join(problems))
    return {name: tuple(servers) for name, servers in found.items()}


def _no_backend(load_balancer: str, backend: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(backend, known, n=1)
    other = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(known)) or 'none'}"
    return f"{load_balancer} has no backend {backend} with servers; {other}"


def require_found(inventory: Inventory, nodes: Iterable[str], placement: Placement) -> None:
    """Raises Refused for nodes that are on no load balancer."""
    lost = [name for name in nodes if not placement[name]]
    if lost:
        where = ", ".join(inventory.load_balancers)
        raise Refused(
            "\n".join(
                f"{name} ({inventory.nodes[name].host}) is no server on {where}, by name or by address"
                for name in lost
            ),
            hint="`server:` gives HAProxy's name for a node, `backends:` where to look",
        )


def out_of_rotation(states: Iterable[ServerState]) -> str:
    """Why somebody's decision keeps these servers out of rotation; empty if none does."""
    for state in states:
        if state.admin.in_maintenance:
            return f"{state.server} is in maintenance"
        if state.admin.in_drain:
            return f"{state.server} is drained"
        if state.weight == 0:
            return f"{state.server} has weight 0"
    return ""
