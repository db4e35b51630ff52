"""The watch over all load balancers during a deployment: HAProxy's counters and checks of every server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

from rollout.decisions.counter_totals import Backend, CounterTotals, Totals
from rollout.decisions.standing import Serving, in_rotation
from rollout.domain import Counters, Reading, Server, ServerState
from rollout.engine.users.looks import Look, Looks
from rollout.engine.users.tails import Tails
from rollout.errors import LoadBalancerError
from rollout.ports import LoadBalancer

_PACE = 1.0
"""Seconds between two looks. When HAProxy is reloaded, what it counted since the last look is lost."""


class Watch:
    """Looks at all load balancers again and again. It is not an error if one does not answer."""

    def __init__(self, load_balancers: Collection[LoadBalancer], seconds: float | None = None) -> None:
        """`seconds` is how long ago a look may be that somebody asks for; without it, none is too old."""
        self._load_balancers = load_balancers
        self._counters = CounterTotals()
        self._readings: dict[str, Reading] = {}
        self._counted: dict[str, Reading] = {}
        """The last ones whose counters were added."""
        self._asked: dict[str, float] = {}
        """When the question was put that each of these answers."""
        self.since = 0.0
        """When a node was last put back: what was seen before says nothing of it."""
        self._states: dict[Server, ServerState] = {}
        self._changed: set[Server] = set()
        self.unanswered: tuple[str, ...] = ()
        """The load balancers that did not answer the last look."""
        self.tails = Tails()
        self.looks = Looks(seconds)
        """The looks since the wave began."""
        self.down: frozenset[Server] = frozenset()
        """The servers that HAProxy found down at the last look…"""
        self.down_before: frozenset[Server] | None = None
        """…and at the first one."""

    @property
    def answered(self) -> Mapping[Backend, Counters]:
        """What users got from each backend since the first look."""
        return self._counters.answered

    @property
    def before(self) -> Totals:
        """The answers of each server before the first look."""
        return self._counters.before

    @property
    def shown(self) -> Mapping[Server, ServerState]:
        """The servers as each load balancer showed them last."""
        return self._states

    @property
    def serving(self) -> Serving:
        """The servers in rotation, as each load balancer showed them last."""
        return {name: in_rotation(reading) for name, reading in self._readings.items()}

    async def run(self) -> None:
        """Look once a second until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_PACE)

    def states(self, servers: Iterable[Server], since: float) -> list[ServerState]:
        """The last states of servers, without those that were asked for before `since`."""
        shown = (self._states[server] for server in servers if server in self._states)
        return [state for state in shown if self._asked[state.server.load_balancer] >= since]

    async def look(self, *, now: bool = False) -> Look:
        """Look at all load balancers, and count; of one that does not answer, the last answer counts.

        A reading that came just now will do, unless it must be begun `now`: it is one since the last command,
        and since a node was last put back.
        """
        for reading in await self._see(_read if not now else _read_now):
            last = self._counted.get(reading.load_balancer)
            self._counted[reading.load_balancer] = reading
            self._counters.add(reading, reading.changed(last))
        if self.down_before is None:
            self.down_before = self.down
        look = Look(asyncio.get_running_loop().time(), self.tails.added_to(self._counters.totals))
        self.looks.add(look)
        return look

    async def see(self) -> None:
        """Look at the states of all servers, as `LoadBalancer.states` says; nothing is counted."""
        await self._see(_read_states)

    async def _see(self, read: Callable[[LoadBalancer, float], Awaitable[Reading]]) -> list[Reading]:
        """Note what is read of each load balancer. Returns the readings of those that answered."""
        asked = asyncio.get_running_loop().time()
        answers = await asyncio.gather(
            *(read(balancer, self.since) for balancer in self._load_balancers),
            return_exceptions=True,
        )
        self.unanswered = tuple(
            balancer.name
            for balancer, answer in zip(self._load_balancers, answers, strict=True)
            if isinstance(answer, LoadBalancerError)
        )
        readings = []
        for answer in answers:
            if isinstance(answer, Reading):
                readings.append(answer)
                self._take(answer)
                self._asked[answer.load_balancer] = asked
            elif not isinstance(answer, LoadBalancerError):
                raise answer
        return readings

    async def count(self, servers: Collection[Server]) -> Totals:
        """What some servers have answered until now; where a load balancer does not answer, until the last
        look at it."""
        own = {name: [s for s in servers if s.load_balancer == name] for name in self._readings}
        answers = await asyncio.gather(
            *(_look(each, own[each.name]) for each in self._load_balancers if own.get(each.name)),
            return_exceptions=True,
        )
        for answer in answers:
            if isinstance(answer, Reading):
                self._counters.add(answer)
            elif not isinstance(answer, LoadBalancerError):
                raise answer
        return self.counted(servers)

    def counted(self, servers: Iterable[Server]) -> Totals:
        """What some servers have answered, as it was counted last."""
        return self.tails.added_to(self._counters.of(servers))

    def _take(self, reading: Reading) -> None:
        """Note what a reading shows: of thousands of servers, few are not as they were."""
        last = self._readings.get(reading.load_balancer)
        changed = [*reading.changed(last)]
        self._readings[reading.load_balancer] = reading
        gone = set[Server]()
        if last is not None and len(changed) == len(reading.servers):
            gone.update(state.server for state in last.servers)
            gone.difference_update(state.server for state in changed)
        for server in gone:
            self._states.pop(server, None)
        self._states.update((state.server, state) for state in changed)
        self._changed.update(state.server for state in changed)
        self.down = self.down.difference(gone, (state.server for state in changed)).union(
            state.server for state in changed if not state.running
        )

    def take_changed(self) -> set[Server]:
        """The servers that are not as they were when this was asked last."""
        changed, self._changed = self._changed, set()
        return changed

    def seen_since(self, time: float) -> bool:
        """Whether all load balancers were asked after a moment, and have answered."""
        return all(self._asked.get(each.name, -math.inf) >= time for each in self._load_balancers)

    async def recent_look(self) -> Look:
        """The last look, if it is as young as those of `run`; else a new one."""
        if self.looks and asyncio.get_running_loop().time() - self.looks.last.time < _PACE:
            return self.looks.last
        return await self.look()


async def _read(balancer: LoadBalancer, since: float) -> Reading:
    return balancer.recent(since) or await balancer.read()


async def _read_now(balancer: LoadBalancer, since: float) -> Reading:
    return await balancer.read()


async def _read_states(balancer: LoadBalancer, since: float) -> Reading:
    return balancer.recent(since) or await balancer.states()


async def _look(balancer: LoadBalancer, servers: Collection[Server]) -> Reading:
    return balancer.recent(of=servers) or await balancer.look(servers)
