"""What is made of the answers that load balancers log, one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

from rollout.decisions.times import Limits, quantile
from rollout.domain import Counters, Ring, Server, TimedAnswer
from rollout.engine.users.tails import Tails, follow
from rollout.errors import LoadBalancerUnreachable, NoStream
from rollout.events import Event, Warned
from rollout.ports import LoadBalancer
from tests.support.until import until

OLD, NEW = Server("lb1", "shop", "web2"), Server("lb1", "shop", "web1")


def answers(server: Server, *milliseconds: int) -> list[TimedAnswer]:
    return [TimedAnswer(server, each) for each in milliseconds]


class Logging:
    """A load balancer that logs; `streams` are what each connection to its ring gives, then it breaks."""

    name = "lb1"

    def __init__(self, ring: Ring | None, *streams: Sequence[TimedAnswer] | Exception) -> None:
        self._ring = ring
        self._streams = list(streams)
        self.closed = 0

    async def ring(self) -> Ring | None:
        return self._ring

    async def answers(self, ring: str) -> AsyncGenerator[Sequence[TimedAnswer], None]:
        assert ring == "requests"
        try:
            if not self._streams:
                await asyncio.Event().wait()
            stream = self._streams.pop(0)
            if isinstance(stream, Exception):
                raise stream
            yield stream
        finally:
            self.closed += 1


def followed(balancer: Logging, tails: Tails, events: list[Event]) -> Any:
    return follow(cast(LoadBalancer, balancer), tails, events.append)


async def test_answers_are_slow_by_limits_that_were_fixed_before_they_came() -> None:
    """By twice what the slowest hundredth and twentieth of the old release took; the new one is not asked."""
    tails = Tails()
    tails.add(answers(OLD, *range(1000)))
    tails.add(answers(NEW, *[9000] * 500))
    tails.fix_limits([OLD], 2.0)
    assert tails.limits is not None
    assert 1800 < tails.limits.p95 < 2000 < tails.limits.p99 < 2100
    tails.add(answers(NEW, 1950, 2500, 10))
    totals = tails.added_to({NEW: Counters(requests=7), Server("lb1", "api", "web1"): Counters()})
    assert totals[NEW] == Counters(requests=7, timed=3, over_p95=2, over_p99=1)
    assert OLD not in totals


def test_few_answers_fix_no_limits() -> None:
    """Too few say nothing about their slowest hundredth; limits that are known stay."""
    tails = Tails()
    tails.add(answers(OLD, *range(100)))
    tails.fix_limits([OLD], 2.0)
    assert tails.limits is None
    tails.limits = Limits(1.0, 2.0)
    tails.fix_limits([OLD], 2.0)
    assert tails.limits == Limits(1.0, 2.0)


def test_times_since_a_moment() -> None:
    """Those of a bake alone, whatever came before it."""
    tails = Tails()
    tails.add(answers(NEW, *[5000] * 100))
    before = tails.snapshot()
    tails.add(answers(NEW, *[10] * 98, 300, 300))
    assert sum(tails.times([NEW], before).values()) == 100
    assert 280 < quantile(tails.times([NEW], before), 0.99) < 320
    assert tails.times([OLD], before) == {}


async def test_a_stream_that_breaks_is_begun_again_and_ends_with_the_watch() -> None:
    """What is in the ring at first is counted once; nothing is left open when it is cancelled."""
    tails, events = Tails(), list[Event]()
    first = tuple(answers(OLD, 1, 2))
    broken = LoadBalancerUnreachable("lb1", "nothing listens")
    balancer = Logging(Ring("requests", 2, first), answers(OLD, 3), broken, answers(OLD, 4))
    task = asyncio.create_task(followed(balancer, tails, events))
    await until(lambda: sum(tails.times([OLD]).values()) == 4, "the second stream")
    await until(lambda: balancer.closed == 3, "the third stream")
    task.cancel()
    await asyncio.wait([task])
    assert balancer.closed in (3, 4)
    assert events == []


async def test_what_cannot_be_read_is_told_once_and_left_alone() -> None:
    """Lines that say nothing, or were dropped; where there is no ring, there is nothing to tell."""
    for ring, stream, told in (
        (None, [], ""),
        (Ring("requests", 5, ()), [], "lb1: the log in ring requests has a format that rollout cannot read"),
        (
            Ring("requests", 0, ()),
            [NoStream("lb1", "HAProxy dropped 3 lines")],
            "lb1: HAProxy dropped 3 lines:",
        ),
    ):
        events: list[Event] = []
        await followed(Logging(ring, *stream), Tails(), events)
        assert [isinstance(event, Warned) and event.message.startswith(told) for event in events] == (
            [True] if told else []
        )
