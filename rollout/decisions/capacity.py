"""Capacity: the servers that carry a backend's traffic, and whether some may leave. Values in, values out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from rollout.domain import Reading, Server, ServerState
from rollout.inventory.quantities import Amount

Backend = tuple[str, str]
"""Names of a load balancer and of one of its backends."""

WHAT_TO_DO = (
    "`rollout status` shows which nodes are out: bring one back, or lower strategy.min_ready; "
    "--allow-outage skips the capacity checks"
)


@dataclass(frozen=True, slots=True)
class Capacity:
    """Ready servers of one backend: now, and while nodes are out."""

    load_balancer: str
    backend: str
    now: int
    """Servers that are ready now."""
    least: int
    """The fewest that will be ready while nodes are out."""
    floor: int
    """The fewest that `strategy.min_ready` allows; 1 without it."""


def shortages(
    states: Iterable[ServerState],
    own: Collection[Server],
    min_ready: Amount | None,
    *,
    out: Collection[Server] = (),
    back: Collection[Server] = (),
) -> dict[Backend, str]:
    """The shortage of each backend that would have too few servers without `own`, as a sentence.

    Servers in `out` count as not ready, and those in `back` as ready, whatever HAProxy shows. Servers in
    `own` that carry no traffic cost nothing when they leave, however few others there are.
    """
    shortages = {}
    states = list(states)
    own, out, back = (with_trackers(servers, states) for servers in (own, out, back))
    for (load_balancer, backend), here in _by_backend(states).items():
        ready = _ready(here, out, back)
        left = ready.difference(own)
        floor = _floor(here, min_ready)
        if left == ready or len(left) >= floor:
            continue
        leaving = ", ".join(server.name for server in sorted(ready.intersection(own)))
        if left or min_ready is not None:
            shortages[load_balancer, backend] = (
                f"without {leaving}, backend {backend} on {load_balancer} would have {len(left)} of its "
                f"{_size(here)} servers ready, but strategy.min_ready ({min_ready}) requires {floor}"
            )
        else:
            shortages[load_balancer, backend] = (
                f"{min(ready)} is the last server that takes traffic in its backend"
            )
    return shortages


def queues(reading: Reading, own: Collection[Server]) -> dict[Backend, str]:
    """The queue of each backend that has one and in which some of `own` carry traffic, as a sentence."""
    queues = {}
    own = with_trackers(own, reading.servers)
    for (load_balancer, backend), here in _by_backend(reading.servers).items():
        waiting = reading.queued.get(backend, 0) + sum(state.queued for state in here)
        if waiting and any(state.server in own and state.in_rotation for state in here):
            queues[load_balancer, backend] = (
                f"backend {backend} on {load_balancer} is at its limit: {waiting} waiting in its queue"
            )
    return queues


def capacity(
    readings: Iterable[Reading],
    nodes: Sequence[str],
    placement: Mapping[str, Sequence[Server]],
    window: int,
    min_ready: Amount | None,
) -> tuple[Capacity, ...]:
    """The capacity of each backend that the nodes are in, while any `window` of them are out."""
    result = []
    for reading in readings:
        taken_along = {name: with_trackers(placement[name], reading.servers) for name in nodes}
        for (load_balancer, backend), here in sorted(_by_backend(reading.servers).items(), key=itemgetter(0)):
            if not any(state.server in taken_along[name] for name in nodes for state in here):
                continue
            ready = _ready(here)
            taken = sorted((len(ready.intersection(taken_along[name])) for name in nodes), reverse=True)
            floor = _floor(here, min_ready)
            least = len(ready) - sum(taken[:window])
            if min_ready is not None:
                least = max(least, min(floor, len(ready)))
            result.append(Capacity(load_balancer, backend, len(ready), least, floor))
    return tuple(result)


def with_trackers(servers: Collection[Server], states: Iterable[ServerState]) -> frozenset[Server]:
    """`servers` and those that track one of them: a server that leaves takes its trackers along."""
    trackers: dict[tuple[str, str], list[Server]] = {}
    for state in states:
        if state.tracks:
            trackers.setdefault((state.server.load_balancer, state.tracks), []).append(state.server)
    result: set[Server] = set()
    new = list(servers)
    while new:
        result.update(new)
        along = (
            tracker for server in new for tracker in trackers.get((server.load_balancer, server.path), ())
        )
        new = [server for server in along if server not in result]
    return frozenset(result)


def _by_backend(states: Iterable[ServerState]) -> dict[Backend, list[ServerState]]:
    groups: dict[Backend, list[ServerState]] = {}
    for state in states:
        groups.setdefault((state.server.load_balancer, state.server.backend), []).append(state)
    return groups


def _ready(
    here: Iterable[ServerState], out: Collection[Server] = (), back: Collection[Server] = ()
) -> frozenset[Server]:
    """The servers that carry the traffic of a backend. Backups do as long as nothing but backups is up."""
    up = [state for state in here if state.server not in out and (state.in_rotation or state.server in back)]
    active = [state for state in up if not state.backup]
    return frozenset(state.server for state in active or up)


def _size(here: Sequence[ServerState]) -> int:
    """The number of servers that share the traffic when all are well."""
    return sum(not state.backup for state in here) or len(here)


def _floor(here: Sequence[ServerState], min_ready: Amount | None) -> int:
    """The fewest servers that must stay ready."""
    return 1 if min_ready is None else min_ready.as_minimum(_size(here))
