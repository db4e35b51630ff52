"""The gate: nodes that wait at the same time leave by one look, as many as the others can do without."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

import pytest

from rollout.domain import AdminState, Reading, Step
from rollout.engine.checks.preflight import make_plan
from rollout.engine.gate import Gate
from rollout.engine.halt import Halt
from rollout.engine.log import StepLog
from rollout.engine.pausing import Pauses
from rollout.engine.places import Places
from rollout.errors import NoCapacity
from tests.simulation.loop import run
from tests.support.in_memory import MemoryBalancer, site_in_memory
from tests.support.states import inventory

NODES = [f"web{number}" for number in range(1, 11)]


class CountedLooks(MemoryBalancer):
    """A load balancer with a backend of all nodes, in which some may be in maintenance."""

    looks = 0
    out: Iterable[str] = ()

    async def read(self) -> Reading:
        self.looks += 1
        for name in NODES:
            self.set(f"b0/{name}", admin=AdminState.FORCED_MAINT if name in self.out else AdminState.READY)
        return await super().read()


class AtTheGate:
    """The gate of a site, and its nodes. `doubt` is what is wrong with the nodes that are back."""

    def __init__(self, min_ready: int = 1) -> None:
        strategy = {"window": len(NODES), "min_ready": min_ready, "patience": "0"}
        nodes = {name: {"host": f"10.0.0.{number}"} for number, name in enumerate(NODES, 1)}
        self.site = site_in_memory(inventory(nodes=nodes, strategy=strategy), 1)
        self.balancer = CountedLooks(self.site.inventory, 1)
        self.site.load_balancers["lb1"] = self.balancer  # type: ignore[index]
        self.doubt = ""
        self.back: set[str] = set()

    async def open(self) -> None:
        plan, _ = await make_plan(self.site, NODES, None, ours={})
        places = Places(self.site.inventory, plan, lambda event: None)
        halt = Halt(lambda event: None, Pauses(lambda event: None))
        self._gate = Gate(
            self.site, places, halt, self._look_back, self.back.__contains__, allow_outage=False
        )
        self.balancer.looks = 0

    async def _look_back(self) -> str:
        return self.doubt

    def leaving(self, name: str) -> AbstractAsyncContextManager[None]:
        return self._gate.leaving(name, StepLog(lambda event: None, name, Step.DRAIN))

    async def leave(self, name: str) -> None:
        async with self.leaving(name):
            pass

    def returned(self, name: str) -> None:
        self._gate.ended(name, left_out=False)


def test_nodes_that_come_together_leave_by_one_look() -> None:
    """One that comes while the look is under way needs another."""

    async def work() -> None:
        at = AtTheGate()
        await at.open()
        together = asyncio.gather(*map(at.leave, NODES[:8]))
        await asyncio.sleep(0.01)
        late = asyncio.create_task(at.leave(NODES[8]))
        await together
        assert at.balancer.looks == 1
        await late
        assert at.balancer.looks == 2

    run(work())


def test_one_look_lets_no_more_go_than_the_others_can_do_without() -> None:
    """Those that have left by the same look do not count as ready, although it shows them so."""

    async def work() -> None:
        at = AtTheGate(min_ready=7)
        await at.open()
        leaving = [asyncio.create_task(at.leave(name)) for name in NODES]
        await asyncio.sleep(10.0)
        assert [task.done() for task in leaving] == [True] * 3 + [False] * 7
        for task in leaving:
            task.cancel()

    run(work())


def test_nobody_is_refused_by_a_look_of_before() -> None:
    """A node that has come back since that look counts only in a new one."""

    async def work() -> None:
        at = AtTheGate(min_ready=9)
        await at.open()
        at.balancer.out = NODES[9:]

        async def comes_back_at_once() -> None:
            async with at.leaving(NODES[9]):
                at.balancer.out = ()
            at.returned(NODES[9])

        await asyncio.gather(comes_back_at_once(), at.leave(NODES[0]))

    run(work())


def test_a_doubt_holds_all_but_those_that_are_back() -> None:
    """A node that was put back and is judged bad may leave whatever the others do."""

    async def work() -> None:
        at = AtTheGate()
        at.doubt = "web1 fell"
        at.back.add(NODES[3])
        await at.open()
        await at.leave(NODES[3])
        at.returned(NODES[3])
        with pytest.raises(NoCapacity, match="web1 fell"):
            await at.leave(NODES[4])

    run(work())
