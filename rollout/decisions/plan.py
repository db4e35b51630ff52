"""The plan of a deployment, decided before anything is touched, and which servers each node is."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rollout.decisions.capacity import Capacity
from rollout.domain import Reading, Server, ServerBefore, ServerState
from rollout.errors import Refused, UsageError
from rollout.inventory.model import Inventory

Placement = Mapping[str, tuple[Server, ...]]
"""All servers of each node, by the node's name."""


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
    before: Mapping[Server, ServerBefore] = field(default_factory=dict)
    """How each server of the nodes was before anything was touched, which is how it is left."""
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
    return tuple(name for name in inventory.nodes if not limit or name in limit)


def place(
    inventory: Inventory, readings: Sequence[Reading], addresses: Mapping[str, frozenset[str]]
) -> Placement:
    """The servers of each node, found by name or by address in `readings` of all load balancers.

    `addresses` are the IP addresses of each node. A server with the name of a node belongs to that node,
    unless it is at the address of other nodes only and the inventory does not give its name as `server:`. Any
    other server belongs to the node at its address. Raises Refused, with all mistakes.
    """
    names = {node.server or name: name for name, node in inventory.nodes.items()}
    by_name_only = {name for name, node in inventory.nodes.items() if node.server}
    placed: dict[str, list[Server]] = {name: [] for name in inventory.nodes}
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
                    "set `server:` on the node that it belongs to"
                )
                continue
            if namesake:
                placed[namesake].append(state.server)
                continue
            here = [name for name in here if name not in by_name_only]
            if len(here) > 1:
                problems.append(
                    f"{state.server} at {state.address}:{state.port} may be any of {', '.join(here)}: "
                    "set `server:` on each of them"
                )
            elif here:
                placed[here[0]].append(state.server)
    if problems:
        raise Refused("\n".join(problems))
    empty = {state.server for reading in readings for state in reading.servers if state.is_empty_slot}
    return {name: tuple(_without_namesakes(servers, empty)) for name, servers in placed.items()}


def _without_namesakes(servers: Sequence[Server], empty: Collection[Server]) -> Iterator[Server]:
    """A node's servers without empty slots that happen to have its name, in backends where it has another."""
    real = {(server.load_balancer, server.backend) for server in servers if server not in empty}
    return (s for s in servers if s not in empty or (s.load_balancer, s.backend) not in real)


def _no_backend(load_balancer: str, backend: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(backend, known, n=1)
    other = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(known)) or 'none'}"
    return f"{load_balancer} has no backend {backend} with servers; {other}"


def require_found(inventory: Inventory, nodes: Iterable[str], placement: Placement) -> None:
    """Raises Refused if one of `nodes` has no server on any load balancer."""
    lost = [name for name in nodes if not placement[name]]
    if lost:
        where = ", ".join(inventory.load_balancers)
        raise Refused(
            "\n".join(
                f"{name} ({inventory.nodes[name].host}) has no server on {where}, by name or by address"
                for name in lost
            ),
            hint="set the node's `server:` to its name in HAProxy, and check the load balancer's `backends:`",
        )


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
