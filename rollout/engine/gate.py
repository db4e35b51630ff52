"""The gate through which nodes leave: one at a time, and only while the others can carry the traffic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rollout.decisions.capacity import WHAT_TO_DO, queues, shortages
from rollout.decisions.plan import Placement
from rollout.engine.log import StepLog
from rollout.engine.site import Site
from rollout.engine.waiting import patiently, together
from rollout.errors import NoCapacity, StepFailure

_LOOK_AGAIN = 0.1


class Gate:
    """Judges by what the load balancers show in the moment in which a node is to leave."""

    def __init__(
        self, site: Site, placement: Placement, *, allow_outage: bool, halted: Callable[[], str]
    ) -> None:
        """`halted` says why no further node may leave; empty while they may."""
        self._site = site
        self._placement = placement
        self._allow_outage = allow_outage
        self._halted = halted
        self._patience = site.inventory.strategy.patience
        self._leaving = asyncio.Lock()
        self._on_their_way: set[str] = set()
        self._left_out: set[str] = set()

    @asynccontextmanager
    async def leaving(self, name: str, log: StepLog) -> AsyncIterator[None]:
        """Held while a node leaves. Waits for nodes on their way back, then as long as patience lasts.

        Raises NoCapacity, StepFailure if the deployment is halted meanwhile, LoadBalancerError.
        """
        async with self._leaving:
            if not self._allow_outage:
                await self._capacity(name, log)
            self._left_out.discard(name)
            self._on_their_way.add(name)
            yield

    def ended(self, name: str, *, left_out: bool) -> None:
        """A node is in rotation again, or is `left_out`."""
        self._on_their_way.discard(name)
        if left_out:
            self._left_out.add(name)

    async def _capacity(self, name: str, log: StepLog) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._patience
        while True:
            others = bool(self._on_their_way)
            problem = await self._problem(name)
            if not problem:
                return
            if self._halted():
                raise StepFailure("the deployment was halted before this node left")
            if others:
                deadline = clock() + self._patience
            elif clock() >= deadline:
                raise NoCapacity(problem, hint=WHAT_TO_DO)
            log.progress(problem)
            await asyncio.sleep(_LOOK_AGAIN)

    async def _problem(self, name: str) -> str:
        """Why a node may not leave now; empty if it may.

        Those that left do not count as ready: HAProxy may not have seen it yet.
        """
        own = self._placement[name]
        away = {server for other in self._on_their_way | self._left_out for server in self._placement[other]}
        out = away.difference(own)
        there = dict.fromkeys(server.load_balancer for server in own)
        readings = await together(patiently(self._site.load_balancers[b], self._patience) for b in there)
        min_ready = self._site.inventory.strategy.min_ready
        for reading in readings:
            problems = shortages(reading.servers, own, min_ready, out=out) or queues(reading, own)
            if problems:
                return "; ".join(problems.values())
        return ""
