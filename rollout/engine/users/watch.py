"""What users get while a deployment runs: what HAProxy counts of every server, looked at all the time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from rollout.decisions.counter_totals import CounterTotals, Totals
from rollout.domain import Reading, Server
from rollout.errors import LoadBalancerError
from rollout.ports import LoadBalancer

_PACE = 1.0
"""Seconds between two looks. What an old process counted since the last one is lost when it is reloaded."""

_KEPT = 900
"""Looks: the last quarter of an hour or so."""


@dataclass(frozen=True, slots=True)
class Look:
    """`time` is the loop's. `down` are the servers that HAProxy finds down."""

    time: float
    totals: Totals
    down: frozenset[Server]


class Watch:
    """Looks at all load balancers. One that does not answer is looked at again: here that is no error."""

    def __init__(self, load_balancers: Collection[LoadBalancer]) -> None:
        self._load_balancers = load_balancers
        self._tally = CounterTotals()
        self._readings: dict[str, Reading] = {}
        self._down_before: frozenset[Server] | None = None
        self.looks: list[Look] = []
        """In order; those of before a wave are forgotten when it begins."""

    @property
    def down_before(self) -> frozenset[Server]:
        """The servers that were down at the first look."""
        return self._down_before or frozenset()

    @property
    def before(self) -> Totals:
        """What each server had answered before the first look."""
        return self._tally.before

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_PACE)

    async def look(self) -> Look:
        """A fresh look, as far as load balancers answer."""
        readings = await asyncio.gather(*(lb.read() for lb in self._load_balancers), return_exceptions=True)
        for reading in readings:
            if isinstance(reading, Reading):
                self._tally.add(reading)
                self._readings[reading.load_balancer] = reading
            elif not isinstance(reading, LoadBalancerError):
                raise reading
        states = [state for reading in self._readings.values() for state in reading.servers]
        down = frozenset(state.server for state in states if not state.running)
        if self._down_before is None:
            self._down_before = down
        look = Look(asyncio.get_running_loop().time(), self._tally.totals, down)
        self.looks.append(look)
        del self.looks[:-_KEPT]
        return look

    def forget(self) -> None:
        """All looks but the last."""
        del self.looks[:-1]
