"""Capacity: the servers that carry a backend's traffic, and whether some may leave. Values in, values out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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


class Backends:
    """The backends that some readings show, to be asked about one node after another.

    An answer looks at the servers that leave, and not at all of the thousands that stay.
    """

    def __init__(self, states: Iterable[ServerState]) -> None:
        states = list(states)
        self._trackers = Trackers(states)
        self._backends = {name: _Servers(here) for name, here in _by_backend(states).items()}
        self._places = {name: place for place, name in enumerate(self._backends)}

    def bring_back(self, servers: Collection[Server]) -> None:
        """Count servers as ready from now on, whatever HAProxy shows."""
        for name, own in self._in_backends(self._trackers.along(servers)):
            self._backends[name].bring_back(own)

    def shortages(
        self, own: Collection[Server], min_ready: Amount | None, *, out: Collection[Server] = ()
    ) -> dict[Backend, str]:
        """The shortage of each backend that would have too few servers without `own`, as a sentence.

        Servers in `out` count as not ready, whatever HAProxy shows. Servers in `own` that carry no traffic
        cost nothing when they leave, however few others there are.
        """
        gone, shortages = self._trackers.along(out), {}
        for name, leaving in self._in_backends(self._trackers.along(own)):
            if shortage := self._backends[name].shortage(name, leaving, min_ready, gone):
                shortages[name] = shortage
        return shortages

    def _in_backends(self, servers: Iterable[Server]) -> Iterator[tuple[Backend, set[Server]]]:
        """Servers by their backends, in the order of the readings."""
        by_backend: dict[Backend, set[Server]] = defaultdict(set)
        for server in servers:
            by_backend[server.load_balancer, server.backend].add(server)
        for name in sorted(by_backend.keys() & self._places.keys(), key=self._places.__getitem__):
            yield name, by_backend[name]


class _Servers:
    """The servers of one backend, and those that are up, the backups apart."""

    def __init__(self, here: Sequence[ServerState]) -> None:
        self._size = _size(here)
        self._active = {state.server for state in here if not state.backup}
        self._backups = {state.server for state in here if state.backup}
        up = {state.server for state in here if state.in_rotation}
        self._up = (self._active & up, self._backups & up)

    def bring_back(self, servers: Collection[Server]) -> None:
        for up, all_of_them in zip(self._up, (self._active, self._backups), strict=True):
            up.update(all_of_them.intersection(servers))

    def shortage(
        self, name: Backend, own: set[Server], min_ready: Amount | None, out: Collection[Server]
    ) -> str:
        """Why the backend would have too few servers without `own`; empty if it would have enough."""
        ready, leaving = self._ready_and_leaving(own, out)
        left, floor = ready - len(leaving), _floor(self._size, min_ready)
        if not leaving or left >= floor:
            return ""
        if not left and min_ready is None:
            return f"{min(leaving)} is the last server that takes traffic in its backend"
        load_balancer, backend = name
        return (
            f"without {', '.join(server.name for server in sorted(leaving))}, backend {backend} on "
            f"{load_balancer} would have {left} of its {self._size} servers ready, but strategy.min_ready "
            f"({min_ready}) requires {floor}{percentage_meant(min_ready, self._size) if min_ready else ''}"
        )

    def _ready_and_leaving(self, own: set[Server], out: Collection[Server]) -> tuple[int, set[Server]]:
        """How many servers carry the traffic without those that are `out`, and which of them are `own`.

        Backups do as long as nothing but backups is up.
        """
        for up in self._up:
            if ready := len(up) - len(up.intersection(out)):
                return ready, (up & own).difference(out)
        return 0, set()


def shortages(
    states: Iterable[ServerState],
    own: Collection[Server],
    min_ready: Amount | None,
    *,
    out: Collection[Server] = (),
) -> dict[Backend, str]:
    """The shortages without the servers of one node: what `Backends` says of one."""
    return Backends(states).shortages(own, min_ready, out=out)


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
        trackers = Trackers(reading.servers)
        takers: dict[Server, list[str]] = defaultdict(list)
        for name in nodes:
            for server in trackers.along(placement[name]):
                takers[server].append(name)
        for (load_balancer, backend), here in sorted(_by_backend(reading.servers).items(), key=itemgetter(0)):
            if not any(state.server in takers for state in here):
                continue
            ready = _ready(here)
            taken = Counter(name for server in ready for name in takers.get(server, ()))
            floor = _floor(_size(here), min_ready)
            spare = len(ready) if allow_outage else max(0, len(ready) - floor)
            least = len(ready) - _most_at_once([*taken.values()], window, spare)
            result.append(Capacity(load_balancer, backend, len(ready), least, floor))
    return tuple(result)


def _most_at_once(taken: Sequence[int], window: int, spare: int) -> int:
    """The most servers that `window` nodes can take along without taking more than `spare`; `taken` is how
    many each node takes."""
    together = sum(sorted(taken, reverse=True)[:window])
    if together <= spare or max(taken) <= 1:
        return min(together, spare)
    fewest = {0: 0}
    """The fewest nodes that take exactly so many servers."""
    for own, several in Counter(taken).items():
        for nodes in _powers(several):
            for before, others in [*fewest.items()]:
                if (all_ := before + nodes * own) <= spare:
                    fewest[all_] = min(fewest.get(all_, window + 1), others + nodes)
    return max(all_ for all_, nodes in fewest.items() if nodes <= window)


def _powers(count: int) -> Iterator[int]:
    """Powers of two and a rest, some of which add up to each number until `count`."""
    power = 1
    while count:
        yield min(power, count)
        count -= min(power, count)
        power *= 2


class Trackers:
    """The servers that track another one: they leave along with it, and return with it."""

    def __init__(self, states: Iterable[ServerState]) -> None:
        self._of: dict[tuple[str, str], list[Server]] = defaultdict(list)
        for state in states:
            if state.tracks:
                self._of[state.server.load_balancer, state.tracks].append(state.server)

    def along(self, servers: Collection[Server]) -> frozenset[Server]:
        """`servers` and those that track one of them, directly or not."""
        result = set(servers)
        new = [*result] if self._of else []
        while new:
            server = new.pop()
            for tracker in self._of.get((server.load_balancer, server.path), ()):
                if tracker not in result:
                    result.add(tracker)
                    new.append(tracker)
        return frozenset(result)


def with_trackers(servers: Collection[Server], states: Iterable[ServerState]) -> frozenset[Server]:
    """`servers` and those of `states` that track one of them."""
    return Trackers(states).along(servers)


def _by_backend(states: Iterable[ServerState]) -> dict[Backend, list[ServerState]]:
    """The servers of each backend. Empty slots are none: they add nothing to it, whatever happens."""
    groups: dict[Backend, list[ServerState]] = {}
    for state in states:
        if not state.is_empty_slot:
            groups.setdefault((state.server.load_balancer, state.server.backend), []).append(state)
    return groups


def _ready(here: Iterable[ServerState]) -> frozenset[Server]:
    """The servers that carry the traffic of a backend. Backups do as long as nothing but backups is up."""
    up = [state for state in here if state.in_rotation]
    active = [state for state in up if not state.backup]
    return frozenset(state.server for state in active or up)


def _size(here: Sequence[ServerState]) -> int:
    """The number of servers that share the traffic when all are well."""
    return sum(not state.backup for state in here) or len(here)


def _floor(size: int, min_ready: Amount | None) -> int:
    """The fewest servers that must stay ready."""
    return 1 if min_ready is None else min_ready.as_minimum(size)
