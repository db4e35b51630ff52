"""Contradictions between the servers that nodes were found to be: signs that a node is taken for another."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rollout.domain import Reading, ServerState
from rollout.inventory.model import Inventory

Placed = Mapping[str, Sequence[ServerState]]
"""The states of all servers of each node, by the node's name."""


def contradictions(
    inventory: Inventory, placed: Placed, addresses: Mapping[str, frozenset[str]]
) -> list[str]:
    """A sentence for each node that cannot be what it was found to be. `addresses` are those of each node."""
    return [
        *_hosts_of_others(inventory, placed, addresses),
        *_shared_sockets(placed, addresses),
        *_exchanged(inventory, placed),
    ]


def _hosts_of_others(
    inventory: Inventory, placed: Placed, addresses: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    """Nodes whose `host:` is where another node's server is, while their own servers are elsewhere.

    Where a forwarded port leads to another machine, one address may be several.
    """
    others_at: dict[tuple[str, int | None], ServerState] = {}
    for name, states in placed.items():
        for state in states:
            others_at.setdefault((state.address, _ssh_port(inventory, name)), state)
    for name, states in placed.items():
        own = addresses.get(name, frozenset())
        with_address = [state for state in states if _is_address(state.address)]
        if not with_address or any(state.address in own for state in with_address):
            continue
        there = (others_at.get((address, _ssh_port(inventory, name))) for address in sorted(own))
        if (other := next(filter(None, there), None)) is not None:
            yield (
                f"{name} has the host {inventory.nodes[name].host}, where {other.server} is, but its own "
                f"{with_address[0].server} is at {with_address[0].address}: is its `host:` copied from "
                "another node?"
            )


def _shared_sockets(placed: Placed, addresses: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Servers of two nodes on one load balancer that are one application: it would be drained by halves."""
    first: dict[tuple[str, str, int], tuple[str, ServerState]] = {}
    for name, states in placed.items():
        for state in states:
            if state.address not in addresses.get(name, ()):
                continue
            socket = (state.server.load_balancer, state.address, state.port)
            other, shown = first.setdefault(socket, (name, state))
            if other != name:
                yield (
                    f"{shown.server} is {other}, and {state.server} is {name}, but both are at "
                    f"{state.address}:{state.port}: two nodes cannot be the same application"
                )


def _exchanged(inventory: Inventory, placed: Placed) -> Iterator[str]:
    """Servers of one node that are, on another load balancer, another node's, while that one has its own.

    Where the inventory gives the names on each load balancer, one address may be two machines.
    """
    owners: dict[tuple[str, int], dict[str, tuple[str, ServerState]]] = defaultdict(dict)
    named = {name for name, node in inventory.nodes.items() if isinstance(node.server, dict)}
    balancers = {
        name: {state.server.load_balancer for state in _anywhere(states)} for name, states in placed.items()
    }
    for name, states in placed.items():
        for state in _anywhere(states):
            owners[state.address, state.port].setdefault(state.server.load_balancer, (name, state))
    told: set[frozenset[str]] = set()
    for (address, port), by_balancer in owners.items():
        (first, shown), *more = by_balancer.values()
        for other, state in more:
            pair = frozenset({first, other})
            listed_there = shown.server.load_balancer in balancers[other]
            if len(pair) == 2 and listed_there and pair not in told and not pair <= named:
                told.add(pair)
                yield (
                    f"{address}:{port} is {first} as {shown.server}, but {other} as {state.server}: set "
                    "`server: {LOAD_BALANCER: NAME, …}` on both, with the names on each load balancer"
                )


def left_serving(readings: Iterable[Reading], placed: Placed) -> list[str]:
    """A sentence for each load balancer that has servers at the addresses of nodes' servers which are not
    drained with them, since `backends:` leaves them out."""
    sentences = []
    own = {state.server for states in placed.values() for state in states}
    for reading in readings:
        at = {(s.address, s.port): s for s in reading.servers if s.server in own and _is_address(s.address)}
        left = [s for s in reading.servers if s.server not in own and (s.address, s.port) in at]
        if left:
            more = f", and so do {len(left) - 1} more" if len(left) > 1 else ""
            first = at[left[0].address, left[0].port]
            sentences.append(
                f"{left[0].server} sends requests to {first.address}:{first.port}, as {first.server} does"
                f"{more}, but `backends:` leaves it out: it is not drained"
            )
    return sentences


def on_machines_of_others(placed: Placed, shown: Mapping[str, str]) -> dict[str, str]:
    """A sentence for each node whose commands run on the machine of another node, by the node's name.

    `shown` is what the machine of each node says of its addresses, among other words.
    """
    others_at = {
        state.address: (name, state) for name, states in placed.items() for state in _anywhere(states)
    }
    problems = {}
    for name, words in shown.items():
        own = list(_anywhere(placed[name]))
        machine = {word.partition("/")[0] for word in words.split()}
        if not own or any(state.address in machine for state in own):
            continue
        there = (others_at.get(address) for address in sorted(machine))
        if (other := next(filter(None, there), None)) is not None:
            problems[name] = (
                f"its commands run on the machine of {other[0]} ({other[1].address}, {other[1].server}), but "
                f"its own {own[0].server} is at {own[0].address}"
            )
    return problems


def _anywhere(states: Iterable[ServerState]) -> Iterator[ServerState]:
    """The states whose address means the same machine for every load balancer."""
    return (state for state in states if _is_address(state.address) and not _is_loopback(state.address))


def _is_address(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False


def _is_loopback(text: str) -> bool:
    return ipaddress.ip_address(text).is_loopback


def _ssh_port(inventory: Inventory, name: str) -> int | None:
    target = inventory.ssh_target(name)
    return None if target is None else target.port
