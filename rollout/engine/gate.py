"""The gate through which nodes leave: one at a time, and only while the others can carry the traffic.

No node leaves while one that was put back is out of rotation again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from rollout.deadline import Deadline
from rollout.decisions.alike import first_of
from rollout.decisions.capacity import WHAT_TO_DO, queues, shortages
from rollout.domain import Reading
from rollout.engine.halt import Halt
from rollout.engine.log import StepLog
from rollout.engine.places import Places
from rollout.engine.site import Site
from rollout.engine.waiting import run_all, run_both
from rollout.errors import LoadBalancerError, NoCapacity, StepFailure
from rollout.ports import LoadBalancer

_LOOK_AGAIN = 0.1
"""Seconds between two looks at the load balancers while a node waits to leave."""


class Gate:
    """The gate of one deployment. It decides by what the load balancers show at the moment of leaving."""

    def __init__(
        self,
        site: Site,
        places: Places,
        halt: Halt,
        look_back: Callable[[str], Coroutine[Any, Any, str]],
        *,
        allow_outage: bool,
    ) -> None:
        """`look_back` looks at the nodes that are back, and gives a reason why a node may not leave now."""
        self._site = site
        self._places = places
        self._halt = halt
        self._look_back = look_back
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
            await self._wait_until_it_may(name, log)
            self._left_out.discard(name)
            self._in_flight.add(name)
            yield

    def ended(self, name: str, *, left_out: bool) -> None:
        """Note that the roll of a node ended: the node is in rotation again, or `left_out`."""
        self._in_flight.discard(name)
        if left_out:
            self._left_out.add(name)

    async def _wait_until_it_may(self, name: str, log: StepLog) -> None:
        deadline = Deadline(self._patience)
        while True:
            others_return = bool(self._in_flight)
            shortage, doubt = await run_both(self._shortage(name), self._look_back(name))
            problem = doubt or shortage
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
        readings = await run_all(self._look(name, each) for each in self._site.load_balancers.values())
        self._places.require_placed(name)
        if self._allow_outage:
            return ""
        placement = self._places.placement
        own = placement[name]
        away = self._in_flight | self._left_out
        out = {server for other in away for server in placement[other]}.difference(own)
        min_ready = self._site.inventory.strategy.min_ready
        for reading in filter(None, readings):
            problems = shortages(reading.servers, own, min_ready, out=out) or queues(reading, own)
            if problems:
                return first_of([*problems.values()], "; ")
        return ""

    async def _look(self, name: str, balancer: LoadBalancer) -> Reading | None:
        """What a load balancer shows; `None` if it does not answer, and the node had no server there."""
        is_there = any(server.load_balancer == balancer.name for server in self._places.placement[name])
        try:
            return await self._places.look(balancer, self._patience if is_there else 0.0)
        except LoadBalancerError:
            if is_there:
                raise
            return None
