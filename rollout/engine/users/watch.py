"""The watch over all load balancers during a deployment: HAProxy's counters and checks of every server."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping

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
        self._asked: dict[str, float] = {}
        """When the question was put that each of these answers."""
        self.since = 0.0
        """When a node was last put back: what was seen before says nothing of it."""
        self._states: Mapping[Server, ServerState] = {}
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
        """Look at all load balancers; of one that does not answer, the last answer counts.

        A reading that came just now will do, unless it must be begun `now`: it is one since the last command,
        and since a node was last put back.
        """
        asked = asyncio.get_running_loop().time()
        readings = await asyncio.gather(
            *(_read(balancer, self.since, now=now) for balancer in self._load_balancers),
            return_exceptions=True,
        )
        self.unanswered = tuple(
            balancer.name
            for balancer, reading in zip(self._load_balancers, readings, strict=True)
            if isinstance(reading, LoadBalancerError)
        )
        for reading in readings:
            if isinstance(reading, Reading):
                self._counters.add(reading)
                self._readings[reading.load_balancer] = reading
                self._asked[reading.load_balancer] = asked
            elif not isinstance(reading, LoadBalancerError):
                raise reading
        self._states = {state.server: state for each in self._readings.values() for state in each.servers}
        self.down = frozenset(server for server, state in self._states.items() if not state.running)
        if self.down_before is None:
            self.down_before = self.down
        look = Look(asyncio.get_running_loop().time(), self.tails.added_to(self._counters.totals))
        self.looks.add(look)
        return look

    async def recent_look(self) -> Look:
        """The last look, if it is as young as those of `run`; else a new one."""
        if self.looks and asyncio.get_running_loop().time() - self.looks.last.time < _PACE:
            return self.looks.last
        return await self.look()


async def _read(balancer: LoadBalancer, since: float, *, now: bool) -> Reading:
    return (None if now else balancer.recent(since)) or await balancer.read()
