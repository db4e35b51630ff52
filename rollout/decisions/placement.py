"""The servers that each node is, found by their addresses and names. Values in, values out."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from operator import is_not

from rollout.decisions.contradictions import contradictions
from rollout.domain import Reading, Server, ServerState
from rollout.errors import Refused
from rollout.inventory.model import Inventory

Placement = Mapping[str, tuple[Server, ...]]
"""All servers of each node, by the node's name."""

NOWHERE = frozenset({"-", "0.0.0.0", "::"})  # noqa: S104 (nothing is bound to it)
"""What HAProxy shows for a UNIX socket, and for a server that has no address yet."""


def place(
    inventory: Inventory, readings: Sequence[Reading], addresses: Mapping[str, frozenset[str]]
) -> Placement:
    """The servers of each node in `readings` of all load balancers.

    `addresses` are the IP addresses of each node. A server at the address of nodes belongs to one of them.
    Its name (the node's, or the one that `server:` gives) selects among them, and alone decides where the
    address is no node's. A node with a `server:` is no server of another name, except at the address and port
    of its own. Raises Refused, with all mistakes: where name and address contradict each other, rollout could
    restart a machine that serves.
    """
    nodes_at: dict[str, list[str]] = defaultdict(list)
    for name, node in inventory.nodes.items():
        for at in addresses.get(name, frozenset()) | {node.host.lower()}:
            nodes_at[at].append(name)
    placed: dict[str, list[ServerState]] = {name: [] for name in inventory.nodes}
    problems: list[str] = []
    for reading in readings:
        wanted = inventory.load_balancers[reading.load_balancer].backends
        known = {state.server.backend for state in reading.servers}
        problems += [
            _no_backend(reading.load_balancer, name, known) for name in wanted or () if name not in known
        ]
        matching = _Matching(inventory, reading, nodes_at)
        states = [state for state in reading.servers if wanted is None or state.server.backend in wanted]
        for state, owner in zip(states, matching.owners(states), strict=True):
            if owner is not None:
                placed[owner].append(state)
        problems += matching.problems
    if problems := problems or contradictions(inventory, placed, addresses):
        raise Refused("\n".join(problems))
    return {name: tuple(state.server for state in states) for name, states in placed.items()}


class _Matching:
    """The nodes of an inventory, to be matched with the servers of one load balancer."""

    def __init__(self, inventory: Inventory, reading: Reading, nodes_at: Mapping[str, Sequence[str]]) -> None:
        self.problems: list[str] = []
        self._reading = reading
        given = {name: node.server_on(reading.load_balancer) for name, node in inventory.nodes.items()}
        self._given = {server: name for name, server in given.items() if server is not None}
        self._unnamed = {name for name, server in given.items() if server is None}
        self._nodes_at = nodes_at
        self._lines = Counter(map(_line, reading.servers))

    def owners(self, states: Sequence[ServerState]) -> list[str | None]:
        """The node that each server is.

        One that would be nobody's belongs to the node that has a server at its address and port: requests to
        it reach the same application.
        """
        owners = [self._owner(state) for state in states]
        at: dict[tuple[str, int], set[str]] = defaultdict(set)
        for state, owner in zip(states, owners, strict=True):
            if owner is not None and state.address not in NOWHERE:
                at[state.address, state.port].add(owner)
        return [
            next(iter(there)) if owner is None and len(there) == 1 else owner
            for state, owner in zip(states, owners, strict=True)
            for there in [at.get((state.address, state.port), set())]
        ]

    def _owner(self, state: ServerState) -> str | None:
        """The node that a server is; `None` if it is nobody's, or if that is a problem."""
        here = self._here(state)
        name = state.server.name
        if (owner := self._given.get(name)) is not None:
            if not here or owner in here:
                return owner
            self.problems.append(
                f"{state.server} is at the address of {', '.join(here)} ({state.address}), but "
                f"`server: {name}` gives it to {owner}: {self._advice(owner, *here)}"
            )
            return None
        if name in self._unnamed and not self._is_slot(state):
            if not here or name in here:
                return name
            self.problems.append(
                f"{state.server} is named like {name}, but is at the address of {', '.join(here)} "
                f"({state.address}): correct a `host:` that is wrong; if all are right, "
                f"{self._advice(name, *here)}"
            )
            return None
        here = [node for node in here if node in self._unnamed]
        if len(here) > 1 and name not in here:
            self.problems.append(
                f"{state.server} at {state.address}:{state.port} may be any of {', '.join(here)}: "
                "set `server:` on each of them"
            )
            return None
        return name if name in here else next(iter(here), None)

    def _advice(self, *nodes: str) -> str:
        """The `server:` of each node by its address on this load balancer."""
        balancer, names = self._reading.load_balancer, self._names_here
        lines = [f"`server: {{{balancer}: {names.get(node, 'NAME')}}}` on {node}" for node in nodes]
        return f"write {' and '.join(lines)}"

    @cached_property
    def _names_here(self) -> Mapping[str, str]:
        """The name of a server at the address of each node."""
        return {node: state.server.name for state in self._reading.servers for node in self._here(state)}

    def _here(self, state: ServerState) -> list[str]:
        """The nodes at a server's address, or with its host name."""
        address = () if state.address in NOWHERE else self._nodes_at.get(state.address, ())
        hostname = self._nodes_at.get(state.hostname.lower().rstrip("."), ())
        return list(dict.fromkeys((*address, *hostname)))

    def _is_slot(self, state: ServerState) -> bool:
        """Whether HAProxy fills the server by itself, so that its name says nothing about who it is."""
        is_empty = state.is_empty_slot and not state.hostname
        return is_empty or bool(state.srv_record) or self._lines[_line(state)] > 1


def _line(state: ServerState) -> object:
    """The line of the configuration that a server comes from: a `server-template` makes several servers."""
    server = state.server
    return (server.backend, state.hostname, state.port) if state.hostname else server


def _no_backend(load_balancer: str, backend: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(backend, known, n=1)
    other = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(known)) or 'none'}"
    return f"{load_balancer} has no backend {backend} with servers; {other}"


class Owners:
    """The node that each server is, while the placement changes: it is looked through again only then."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self._seen: tuple[tuple[Server, ...], ...] = ()
        self._owners: dict[Server, str] = {}

    def of(self, servers: Iterable[Server]) -> set[str]:
        """The nodes that `servers` are. A server of no node is left out."""
        now = tuple(self._placement.values())
        if len(now) != len(self._seen) or any(map(is_not, now, self._seen)):
            self._seen = now
            self._owners = {server: name for name, own in self._placement.items() for server in own}
        return {self._owners[server] for server in servers if server in self._owners}


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
