"""The gate through which nodes leave: each is let go by itself, and only while the others can carry the
traffic. Nodes that wait at the same time may all leave by one look at the load balancers.

No node leaves while one that was put back is out of rotation again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rollout.deadline import Deadline
from rollout.decisions.alike import first_of
from rollout.decisions.capacity import WHAT_TO_DO, Backends, queues
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


@dataclass(frozen=True, slots=True)
class _Look:
    """A look at all load balancers, begun at the time `begun` on the loop's clock."""

    begun: float
    answered: Collection[str]
    """The names of the load balancers that did."""
    backends: Backends
    queueing: Sequence[Reading]
    """The readings that show a queue."""
    doubt: str
    """Why a node that is back may not be well."""


class Gate:
    """The gate of one deployment. It decides by what the load balancers show at the moment of leaving."""

    def __init__(
        self,
        site: Site,
        places: Places,
        halt: Halt,
        look_back: Callable[[], Coroutine[Any, Any, str]],
        is_back: Callable[[str], bool],
        *,
        allow_outage: bool,
    ) -> None:
        """`look_back` looks at the nodes that are back, and gives a reason why no node may leave now.
        `is_back` says whether a node is one of them: it may leave all the same, since it was judged bad."""
        self._site = site
        self._places = places
        self._halt = halt
        self._look_back = look_back
        self._is_back = is_back
        self._allow_outage = allow_outage
        self._patience = site.inventory.strategy.patience
        self._deciding = asyncio.Lock()
        self._let_go_by: _Look | None = None
        """The look by which the last node was let go."""
        self._in_flight: set[str] = set()
        """Nodes that left and are not back yet."""
        self._left_out: set[str] = set()

    @asynccontextmanager
    async def leaving(self, name: str, log: StepLog) -> AsyncIterator[None]:
        """A node's turn to leave rotation. It begins when the other nodes can carry the traffic.

        Waits for nodes that are on their way back, then for at most `strategy.patience`. Raises NoCapacity,
        StepFailure if the deployment is halted meanwhile, LoadBalancerError.
        """
        asked = asyncio.get_running_loop().time()
        async with self._deciding:
            await self._wait_until_it_may(name, asked, log)
            self._left_out.discard(name)
            self._in_flight.add(name)
        yield

    def ended(self, name: str, *, left_out: bool) -> None:
        """Note that the roll of a node ended: the node is in rotation again, or `left_out`."""
        self._in_flight.discard(name)
        if left_out:
            self._left_out.add(name)

    async def _wait_until_it_may(self, name: str, asked: float, log: StepLog) -> None:
        if self._let_go_by is not None and self._is_let_go_along(name, asked, self._let_go_by):
            return
        deadline = Deadline(self._patience)
        while True:
            others_return = bool(self._in_flight)
            look = await self._look_around(name)
            problem = self._problem(name, look)
            if not problem:
                self._let_go_by = look
                return
            if self._halt.reason:
                raise StepFailure("the deployment was halted before this node left")
            if others_return:
                deadline = Deadline(self._patience)
            elif deadline.passed:
                raise NoCapacity(problem, hint=WHAT_TO_DO)
            log.progress(problem)
            await asyncio.sleep(_LOOK_AGAIN)

    def _is_let_go_along(self, name: str, asked: float, look: _Look) -> bool:
        """Whether a node may leave by the look that let the one before it go, if begun after it `asked`.

        Whoever left since does not count as ready. Only a look of its own can refuse a node: others may have
        come back since.
        """
        shown = all(s.load_balancer in look.answered for s in self._places.placement[name])
        return look.begun >= asked and shown and not self._problem(name, look)

    async def _look_around(self, name: str) -> _Look:
        """A look on behalf of a node, for which its own load balancers must answer."""
        begun = asyncio.get_running_loop().time()
        balancers = self._site.load_balancers.values()
        looks, doubt = await run_both(
            run_all(self._look(name, each) for each in balancers), self._look_back()
        )
        readings = [reading for reading in looks if reading is not None]
        return _Look(
            begun,
            {reading.load_balancer for reading in readings},
            Backends(state for reading in readings for state in reading.servers),
            [reading for reading in readings if _has_queue(reading)],
            doubt,
        )

    def _problem(self, name: str, look: _Look) -> str:
        """The reason why a node may not leave now; empty if it may.

        Nodes that left do not count as ready, whatever HAProxy shows: it may not have noticed yet.
        """
        self._places.require_placed(name)
        if look.doubt and not self._is_back(name):
            return look.doubt
        if self._allow_outage:
            return ""
        placement = self._places.placement
        own = placement[name]
        away = self._in_flight | self._left_out
        out = {server for other in away for server in placement[other]}.difference(own)
        min_ready = self._site.inventory.strategy.min_ready
        problems = look.backends.shortages(own, min_ready, out=out)
        for reading in look.queueing:
            problems = problems or queues(reading, own)
        return first_of([*problems.values()], "; ") if problems else ""

    async def _look(self, name: str, balancer: LoadBalancer) -> Reading | None:
        """What a load balancer shows; `None` if it does not answer, and the node had no server there."""
        is_there = any(server.load_balancer == balancer.name for server in self._places.placement[name])
        try:
            return await self._places.look_at_states(balancer, self._patience if is_there else 0.0)
        except LoadBalancerError:
            if is_there:
                raise
            return None


def _has_queue(reading: Reading) -> bool:
    return any(reading.queued.values()) or any(state.queued for state in reading.servers)
