"""The gate through which nodes leave: one at a time, and only while the others can carry the traffic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rollout.deadline import Deadline
from rollout.decisions.alike import first_of
from rollout.decisions.capacity import WHAT_TO_DO, queues, shortages
from rollout.decisions.placement import Placement
from rollout.engine.halt import Halt
from rollout.engine.log import StepLog
from rollout.engine.site import Site
from rollout.engine.waiting import read_patiently, run_all
from rollout.errors import NoCapacity, StepFailure

_LOOK_AGAIN = 0.1
"""Seconds between two looks at the load balancers while a node waits to leave."""


class Gate:
    """The gate of one deployment. It decides by what the load balancers show at the moment of leaving."""

    def __init__(self, site: Site, placement: Placement, halt: Halt, *, allow_outage: bool) -> None:
        self._site = site
        self._placement = placement
        self._halt = halt
        self._allow_outage = allow_outage
        self._patience = site.inventory.strategy.patience
        self._leaving = asyncio.Lock()
        self._in_flight: set[str] = set()
        """Nodes that left and are not back yet."""
        self._left_out: set[str] = set()

    @asynccontextmanager
    async def leaving(self, name: str, log: StepLog) -> AsyncIterator[None]:
        """A node's turn to leave rotation. It begins when the other nodes can carry the traffic.

        Waits for nodes that are on their way back, then for at most `strategy.patience`. Raises NoCapacity,
        StepFailure if the deployment is halted meanwhile, LoadBalancerError.
        """
        async with self._leaving:
            if not self._allow_outage:
                await self._wait_for_capacity(name, log)
            self._left_out.discard(name)
            self._in_flight.add(name)
            yield

    def ended(self, name: str, *, left_out: bool) -> None:
        """Note that the roll of a node ended: the node is in rotation again, or `left_out`."""
        self._in_flight.discard(name)
        if left_out:
            self._left_out.add(name)

    async def _wait_for_capacity(self, name: str, log: StepLog) -> None:
        deadline = Deadline(self._patience)
        while True:
            others_return = bool(self._in_flight)
            problem = await self._shortage(name)
            if not problem:
                return
            if self._halt.reason:
                raise StepFailure("the deployment was halted before this node left")
            if others_return:
                deadline = Deadline(self._patience)
            elif deadline.passed:
                raise NoCapacity(problem, hint=WHAT_TO_DO)
            log.progress(problem)
            await asyncio.sleep(_LOOK_AGAIN)

    async def _shortage(self, name: str) -> str:
        """The reason why a node may not leave now; empty if it may.

        Nodes that left do not count as ready, whatever HAProxy shows: it may not have noticed yet.
        """
        own = self._placement[name]
        away = self._in_flight | self._left_out
        out = {server for other in away for server in self._placement[other]}.difference(own)
        balancers = dict.fromkeys(server.load_balancer for server in own)
        readings = await run_all(
            read_patiently(self._site.load_balancers[b], self._patience) for b in balancers
        )
        min_ready = self._site.inventory.strategy.min_ready
        for reading in readings:
            problems = shortages(reading.servers, own, min_ready, out=out) or queues(reading, own)
            if problems:
                return first_of([*problems.values()], "; ")
        return ""
