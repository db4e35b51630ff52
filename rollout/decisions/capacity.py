"""Capacity: the servers that carry a backend's traffic, and whether some may leave. Values in, values out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from operator import itemgetter

from rollout.decisions.doubts import percentage_meant
from rollout.domain import Reading, Server, ServerState
from rollout.inventory.quantities import Amount

Backend = tuple[str, str]
"""Names of a load balancer and of one of its backends."""

WHAT_TO_DO = (
    "`rollout status` shows which nodes are out: bring one back, or lower strategy.min_ready; if one node "
    "leads, move that role to another first (docs/leaders.md); "
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


def tightest(capacity: Iterable[Capacity]) -> dict[str, Capacity]:
    """The backend of each load balancer that has the fewest servers to spare while nodes are out."""
    by_room = sorted(capacity, key=lambda each: (each.least - each.floor, each.now), reverse=True)
    return {each.load_balancer: each for each in by_room}


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
    trackers = [state for state in states if state.tracks]
    own, out, back = (with_trackers(servers, trackers) for servers in (own, out, back))
    left_by_own = {(server.load_balancer, server.backend) for server in own}
    for (load_balancer, backend), here in _by_backend(states).items():
        if (load_balancer, backend) not in left_by_own:
            continue
        ready = _ready(here, out, back)
        left = ready.difference(own)
        floor = _floor(here, min_ready)
        if left == ready or len(left) >= floor:
            continue
        size = _size(here)
        leaving = ", ".join(server.name for server in sorted(ready.intersection(own)))
        if left or min_ready is not None:
            shortages[load_balancer, backend] = (
                f"without {leaving}, backend {backend} on {load_balancer} would have {len(left)} of its "
                f"{size} servers ready, but strategy.min_ready ({min_ready}) requires {floor}"
                + (percentage_meant(min_ready, size) if min_ready else "")
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
    *,
    allow_outage: bool = False,
) -> tuple[Capacity, ...]:
    """The capacity of each backend that the nodes are in, while as many of them are out as the gate lets go:
    any `window` of them, as long as the backend's floor is kept. `allow_outage` opens the gate."""
    result = []
    for reading in readings:
        trackers = [state for state in reading.servers if state.tracks]
        taken_along = {name: with_trackers(placement[name], trackers) for name in nodes}
        for (load_balancer, backend), here in sorted(_by_backend(reading.servers).items(), key=itemgetter(0)):
            if not any(state.server in taken_along[name] for name in nodes for state in here):
                continue
            ready = _ready(here)
            taken = [len(ready.intersection(taken_along[name])) for name in nodes]
            floor = _floor(here, min_ready)
            spare = len(ready) if allow_outage else max(0, len(ready) - floor)
            least = len(ready) - _most_at_once(taken, window, spare)
            result.append(Capacity(load_balancer, backend, len(ready), least, floor))
    return tuple(result)


def _most_at_once(taken: Sequence[int], window: int, spare: int) -> int:
    """The most servers that `window` nodes can take along without taking more than `spare`; `taken` is how
    many each node takes."""
    window = min(window, len(taken))
    together = sum(sorted(taken, reverse=True)[:window])
    if together <= spare or max(taken) <= 1:
        return min(together, spare)
    sums = [{0}, *(set[int]() for _ in range(window))]
    """The servers that so many nodes can take."""
    for own in taken:
        for fewer, more in reversed(list(pairwise(sums))):
            more.update(before + own for before in fewer if before + own <= spare)
    return max(chain(*sums))


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
    """The servers of each backend. Empty slots are none: they add nothing to it, whatever happens."""
    groups: dict[Backend, list[ServerState]] = {}
    for state in states:
        if not state.is_empty_slot:
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
