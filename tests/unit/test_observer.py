"""Readings that several share, begin at their pace, and count as recent for as long as they took."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from rollout.adapters.haproxy.observer import Observer
from rollout.adapters.haproxy.recent import Recent
from rollout.domain import Reading, Server
from tests.simulation.loop import run
from tests.support.states import reading, state

TAKES = 0.1


class Far:
    """A load balancer that is far away: a reading takes a while."""

    def __init__(self) -> None:
        self.begun: list[float] = []

    async def read(self, servers: Collection[Server] = ()) -> Reading:
        self.begun.append(asyncio.get_running_loop().time())
        await asyncio.sleep(TAKES)
        return reading(state("shop/web1"))


def test_far_away_a_reading_begins_before_the_last_has_come() -> None:
    """But no more than three at once, and those who wait at the same time share one."""

    async def main() -> None:
        far = Far()
        recent = Recent()
        observer = Observer(far.read, recent)
        clock = asyncio.get_running_loop().time
        both = [asyncio.create_task(observer.read()) for _ in range(2)]
        await asyncio.sleep(0.02)
        others = [asyncio.create_task(observer.read())]
        await asyncio.sleep(0.02)
        others.append(asyncio.create_task(observer.read()))
        await asyncio.sleep(0.02)
        others.append(asyncio.create_task(observer.read()))
        one, other = await asyncio.gather(*both)
        assert one is other
        assert clock() < TAKES + 0.001
        assert len(far.begun) == 3
        await asyncio.gather(*others)
        assert len(far.begun) == 4

    run(main())


def test_a_reading_is_recent_for_as_long_as_it_took() -> None:
    """Unless something was changed since it was begun; then the reading that came with the change is."""

    async def main() -> None:
        far = Far()
        recent = Recent()
        observer = Observer(far.read, recent)
        assert recent.find() is None
        seen = await observer.read()
        assert recent.find() is seen
        await asyncio.sleep(TAKES / 2)
        assert recent.find(far.begun[-1]) is seen
        assert recent.find(far.begun[-1] + TAKES / 2) is None, "it may show how it was before then"
        await asyncio.sleep(TAKES / 2)
        assert recent.find() is None

        old = asyncio.create_task(observer.read())
        await asyncio.sleep(TAKES / 2)
        await recent.changing(far.read())
        after = recent.find()
        assert after is not None
        assert after is not await old

    run(main())


def test_of_two_changes_at_once_neither_reading_is_recent_that_may_be_old() -> None:
    """One that was begun before the other change had ended may show how it was before."""

    async def main() -> None:
        far = Far()
        recent = Recent()
        slow = asyncio.create_task(recent.changing(far.read()))
        await asyncio.sleep(TAKES / 2)
        quick = asyncio.create_task(recent.changing(asyncio.sleep(TAKES / 4, reading(state("shop/web2")))))
        await quick
        assert recent.find() is not None
        await slow
        assert recent.find() is None

    run(main())
