"""The watch over all load balancers during a deployment: HAProxy's counters and checks of every server."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rollout.decisions.counter_totals import Backend, CounterTotals, Totals
from rollout.domain import Counters, Reading, Server
from rollout.engine.users.tails import Tails
from rollout.errors import LoadBalancerError
from rollout.ports import LoadBalancer

_PACE = 1.0
"""Seconds between two looks. When HAProxy is reloaded, what it counted since the last look is lost."""

_KEPT = 900
"""Looks that are kept: about the last quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at all load balancers, at `time` on the loop's clock.

    `totals` are what each server has answered since the first look, and `answered` what users got from each
    backend; `down` are the servers that HAProxy finds down.
    """

    time: float
    totals: Totals
    answered: Mapping[Backend, Counters]
    down: frozenset[Server]


class Watch:
    """Looks at all load balancers again and again. It is not an error if one does not answer."""

    def __init__(self, load_balancers: Collection[LoadBalancer]) -> None:
        self._load_balancers = load_balancers
        self._counters = CounterTotals()
        self._readings: dict[str, Reading] = {}
        self.tails = Tails()
        self._down_before: frozenset[Server] | None = None
        self.looks: list[Look] = []
        """The looks since the wave began, oldest first."""

    @property
    def down_before(self) -> frozenset[Server]:
        """The servers that were down at the first look."""
        return self._down_before or frozenset()

    @property
    def before(self) -> Totals:
        """The answers of each server before the first look."""
        return self._counters.before

    async def run(self) -> None:
        """Look once a second until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_PACE)

    async def look(self) -> Look:
        """Look at all load balancers now; of one that does not answer, the last answer counts."""
        readings = await asyncio.gather(
            *(balancer.read() for balancer in self._load_balancers), return_exceptions=True
        )
        for reading in readings:
            if isinstance(reading, Reading):
                self._counters.add(reading)
                self._readings[reading.load_balancer] = reading
            elif not isinstance(reading, LoadBalancerError):
                raise reading
        states = [state for reading in self._readings.values() for state in reading.servers]
        down = frozenset(state.server for state in states if not state.running)
        if self._down_before is None:
            self._down_before = down
        now, totals = asyncio.get_running_loop().time(), self.tails.added_to(self._counters.totals)
        look = Look(now, totals, self._counters.answered, down)
        self.looks.append(look)
        del self.looks[:-_KEPT]
        return look

    def forget(self) -> None:
        """Forget all looks but the last."""
        del self.looks[:-1]
