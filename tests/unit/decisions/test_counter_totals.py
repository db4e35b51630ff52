"""What servers answered, added up from readings that may begin anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout.decisions.counter_totals import CounterTotals, summed
from rollout.domain import Counters, Reading
from tests.support.states import reading, server, state

WEB1 = server("shop/web1")


def shows(requests: int, errors: int = 0, *, broken: int = 0, mean: int = 10, pid: int = 1) -> Reading:
    """What a server and its backend answered until now."""
    counters = Counters(requests, errors, broken)
    one = reading(state(counters=counters, mean=mean))
    return replace(one, pid=pid, answered={"shop": counters})


def tallied(*readings: Reading) -> Counters:
    tally = CounterTotals()
    for one in readings:
        tally.add(one)
    return tally.totals[WEB1]


def test_what_was_before_does_not_count() -> None:
    """Only what comes after the first look, and what came before is remembered apart."""
    tally = CounterTotals()
    tally.add(shows(1000, 50))
    tally.add(shows(1010, 51))
    assert (tally.totals[WEB1].requests, tally.totals[WEB1].errors) == (10, 1)
    assert (tally.before[WEB1].requests, tally.before[WEB1].milliseconds) == (1000, 10_000)


@pytest.mark.parametrize("again", [shows(7, 1, pid=2), shows(7, 1)], ids=["reloaded", "cleared"])
def test_counters_that_begin_anew(again: Reading) -> None:
    """After a reload, or `clear counters`, what was counted stays and the new counts are added."""
    tally = CounterTotals()
    for one in (shows(100), shows(150, 5), again):
        tally.add(one)
    for seen in (tally.totals[WEB1], tally.answered["lb1", "shop"]):
        assert (seen.requests, seen.errors) == (57, 6)


def test_answers_that_are_being_given_do_not_pile_up() -> None:
    """A status counts before its request has ended, so what is broken goes up and down: that is no error."""
    ups_and_downs = (shows(1000 + second, broken=40 - second % 2 * 10) for second in range(9))
    assert tallied(*ups_and_downs).failed == 0


def test_counters_that_are_a_little_behind_were_not_cleared() -> None:
    """Two counters that are read at different moments may show one request less: not all are counted anew."""
    assert tallied(shows(1000), shows(999), shows(1003)).requests == 3


def test_the_time_that_answers_took() -> None:
    """HAProxy's average slides over 512 answers: 500 at 30 ms after many at 10 ms make it 22.5 ms."""
    seen = tallied(shows(5000), shows(5500, mean=22))
    assert seen.milliseconds / seen.requests == pytest.approx(30, abs=1.5)


def test_the_first_answers_are_a_plain_mean() -> None:
    """Of fewer than 512 the average is that of all: 100 at 10 ms and 100 at 30 ms make it 20 ms."""
    seen = tallied(shows(100), shows(200, mean=20))
    assert seen.milliseconds / seen.requests == pytest.approx(30)


def test_sums_after_a_moment() -> None:
    """Over several servers; one that was not known then has all it has."""
    before = {WEB1: Counters(requests=5)}
    now = {WEB1: Counters(requests=9), server("api/web1"): Counters(requests=2)}
    assert summed(now, now, before).requests == 6
