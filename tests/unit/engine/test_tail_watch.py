"""What is made of the answers that load balancers log, one by one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

import pytest

from rollout.decisions.times import Limits, quantile
from rollout.domain import Counters, Logged, Server, TimedAnswer
from rollout.engine.users.tails import Tails, follow
from rollout.errors import LoadBalancerUnreachable
from rollout.events import Event, Warned
from rollout.ports import LoadBalancer
from tests.simulation.loop import run

OLD, NEW = Server("lb1", "shop", "web2"), Server("lb1", "shop", "web1")


def answers(server: Server, *milliseconds: int) -> list[TimedAnswer]:
    return [TimedAnswer(server, each) for each in milliseconds]


class Logging:
    """A load balancer that logs; `looks` are what is seen at each look at its ring, then nothing more."""

    name = "lb1"

    def __init__(self, *looks: Logged | Exception | None) -> None:
        self._looks = list(looks)

    async def logged(self) -> Logged | None:
        look = self._looks.pop(0) if self._looks else logged()
        if isinstance(look, Exception):
            raise look
        return look


def logged(*answers: TimedAnswer, lines: int = 0, size: int = 0) -> Logged:
    return Logged("requests", size, lines or len(answers), answers)


def followed(balancer: Logging, tails: Tails, events: list[Event]) -> Any:
    return follow(cast(LoadBalancer, balancer), tails, events.append)


def test_answers_are_slow_by_limits_that_were_fixed_before_they_came() -> None:
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


def test_a_ring_is_read_until_the_watch_ends() -> None:
    """Also after its load balancer did not answer for a while. What was in it at first is not counted as
    slow: it came before the limits were fixed."""
    tails, events = Tails(), list[Event]()
    tails.limits = Limits(100.0, 200.0)
    away = [LoadBalancerUnreachable("lb1", "nothing listens")] * 3
    looks = [logged(*answers(OLD, 500, 500)), logged(*answers(OLD, 150)), *away, logged(*answers(OLD, 300))]

    async def watch() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(60):
                await followed(Logging(*looks), tails, events)

    run(watch())
    assert sum(tails.times([OLD]).values()) == 4
    assert tails.added_to({OLD: Counters()})[OLD] == Counters(timed=2, over_p95=2, over_p99=1)
    assert events == []


def test_a_large_ring_is_read_less_often() -> None:
    """So that half a megabyte a second is read, however much it holds."""
    balancer = Logging(*[logged(*answers(OLD, 1), size=5_000_000)] * 100)

    async def watch() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(95):
                await followed(balancer, tails, [])

    tails = Tails()
    run(watch())
    assert sum(tails.times([OLD]).values()) == 10


@pytest.mark.parametrize(
    ("looks", "told"),
    [
        ([None], ""),
        ([logged(lines=5)], "has a format that rollout cannot read"),
        ([logged(), logged(lines=5)], "has a format that rollout cannot read"),
        ([logged(*answers(OLD, 1), size=20_000_000)], "is too large"),
    ],
    ids=["none", "unreadable", "unreadable-later", "large"],
)
def test_what_cannot_be_read_is_told_once_and_left_alone(looks: list[Logged | None], told: str) -> None:
    """Where there is no ring, there is nothing to tell."""
    events: list[Event] = []
    run(followed(Logging(*looks), Tails(), events))
    assert len(events) == bool(told)
    assert all(isinstance(event, Warned) and told in event.message for event in events)
