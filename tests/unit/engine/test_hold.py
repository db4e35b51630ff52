"""The hold on a lock: who may take it, and what its holder may still do when it is not sure of it."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from rollout.domain import LockHolder
from rollout.engine.hold import Hold
from rollout.errors import LockLost, PlaceError, Refused
from tests.support.memory_place import MemoryPlace, Stored

ONE = LockHolder("1" * 32, "ann", "laptop", 17, 1_700_000_000.0, "deploy 1.4.2")
OTHER = dataclasses.replace(ONE, token="2" * 32, user="bob", host="ci", purpose="restart")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Way:
    """A deployer's way to the place, which can be away."""

    def __init__(self) -> None:
        self.away = False
        self.exchanges = 0

    async def __call__(self) -> None:
        self.exchanges += 1
        if self.away:
            raise PlaceError("lb1 does not answer")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stored() -> Stored:
    return Stored()


def hold_of(
    holder: LockHolder, stored: Stored, clock: Clock, way: Way | None = None, halts: list[str] | None = None
) -> Hold:
    place = MemoryPlace(stored, clock, before=way)
    halted = [] if halts is None else halts
    return Hold(place, holder, patience=0.2, halt=halted.append, promote=halted.append, clock=clock)


def never(_: LockHolder) -> bool:
    return False


async def test_a_lock_that_is_held_is_refused_with_its_holder(stored: Stored, clock: Clock) -> None:
    """And is there for the next one once it was given up, in a later epoch."""
    one, other = hold_of(ONE, stored, clock), hold_of(OTHER, stored, clock)
    async with one.taken(wait=0, above=0, is_dead=never):
        with pytest.raises(Refused, match=r"ann on laptop \(deploy 1.4.2, process 17\) holds"):
            async with other.taken(wait=0, above=0, is_dead=never):
                pass
    async with other.taken(wait=0, above=0, is_dead=never):
        assert other.epoch > one.epoch


@pytest.mark.parametrize(("silent", "dead"), [(31.0, False), (0.0, True)])
async def test_a_dead_holder_is_taken_over(stored: Stored, clock: Clock, silent: float, dead: bool) -> None:
    """After 30 s without a sign of life, or at once where its process is known to have ended."""
    await MemoryPlace(stored, clock).take(ONE)
    clock.now += silent
    other = hold_of(OTHER, stored, clock)
    async with other.taken(wait=0, above=0, is_dead=lambda _: dead):
        assert stored.holder == OTHER


async def test_one_that_was_overtaken_may_do_nothing_more(stored: Stored, clock: Clock) -> None:
    """It slept: before its next action it asks, learns who took over, and never acts again."""
    one = hold_of(ONE, stored, clock)
    async with one.taken(wait=0, above=0, is_dead=never):
        await one.require()
        clock.now += 60
        await MemoryPlace(stored, clock).take(OTHER, over=ONE.token)
        for _ in range(2):
            with pytest.raises(LockLost, match="bob on ci"):
                await one.require()
    assert stored.holder == OTHER, "its end takes nobody else's lock away"


async def test_one_that_slept_goes_on_if_nobody_took_over(stored: Stored, clock: Clock) -> None:
    """It asks once, and then it is sure again."""
    way = Way()
    one = hold_of(ONE, stored, clock, way)
    async with one.taken(wait=0, above=0, is_dead=never):
        clock.now += 600
        before = way.exchanges
        await asyncio.gather(one.require(), one.require())
        await one.require()
        assert way.exchanges - before <= 2
        assert stored.sign == clock.now


async def test_a_place_that_is_away_stops_nobody_who_is_sure(stored: Stored, clock: Clock) -> None:
    """Nobody takes a lock over before its holder was silent for 30 s, so until shortly before it may act.
    From then on it may not, and says so."""
    way = Way()
    one = hold_of(ONE, stored, clock, way)
    async with one.taken(wait=0, above=0, is_dead=never):
        way.away = True
        clock.now += 19
        await one.require()
        clock.now += 2
        waiting = asyncio.create_task(one.require())
        await asyncio.sleep(0)
        clock.now += 1
        with pytest.raises(PlaceError, match="somebody else may have the lock"):
            await waiting
        way.away = False
        await one.require()


async def test_a_lost_answer_to_taking_is_no_stranger(stored: Stored, clock: Clock) -> None:
    """The lock that it then finds is its own."""
    await MemoryPlace(stored, clock).take(ONE)
    one = hold_of(ONE, stored, clock)
    async with one.taken(wait=0, above=0, is_dead=never):
        assert (stored.holder, stored.epoch) == (ONE, one.epoch)
