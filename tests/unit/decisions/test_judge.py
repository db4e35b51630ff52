"""The verdict, from counters alone."""

from __future__ import annotations

import pytest

from rollout.decisions.judge import Judgement, Rules, Seen, judge, suspected
from rollout.decisions.times import Limits
from rollout.domain import Counters, Verdict


def parts(asked: int, failed: int = 0, *, unconnected: int = 0, took: float = 10.0) -> tuple[Counters, ...]:
    """Five parts of the same size. `took` is in milliseconds."""
    each = [failed // 5 + (index < failed % 5) for index in range(5)]
    return tuple(Counters(asked // 5, errors, 0, unconnected // 5, asked // 5 * took) for errors in each)


def old(*nodes: tuple[Counters, ...], before: Counters = Counters()) -> Seen:  # noqa: B008 - it never changes
    return Seen("web2…web6 on 1", nodes or (parts(500), parts(500)), before)


def verdict(new: tuple[Counters, ...], others: Seen, **rules: float) -> Judgement:
    return judge(Seen("web1 on 2", (new,)), others, Rules(**rules))  # type: ignore[arg-type]


def test_the_reason_is_in_figures() -> None:
    """Who answered what, of how many, and how the others did."""
    told = verdict(parts(480, 38), old(parts(1205, 1), parts(1205, 1)))
    assert told.verdict is Verdict.FAIL
    assert told.reason == (
        "web1 on 2 answered 7.9 % errors (38 of 480) where web2…web6 on 1 answered 0.1 % errors (2 of 2,410)"
    )


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (parts(500), Verdict.PASS),
        (parts(500, 2), Verdict.PASS),
        (parts(500, 25), Verdict.FAIL),
        (parts(50, 0), Verdict.UNDECIDED),
        (parts(50, 25), Verdict.FAIL),
        (parts(500, unconnected=50), Verdict.FAIL),
        (parts(500, took=19), Verdict.PASS),
        (parts(500, took=30), Verdict.FAIL),
        ((*parts(400)[:4], Counters(100, 60, 0, 0, 1000.0)), Verdict.PASS),
        ((*parts(400)[:4], Counters(100, 0, 0, 0, 9000.0)), Verdict.PASS),
    ],
    ids=[
        "good",
        "few",
        "bad",
        "little",
        "little-and-bad",
        "unconnected",
        "slower",
        "slow",
        "burst",
        "stutter",
    ],
)
def test_against_others_that_are_well(new: tuple[Counters, ...], expected: Verdict) -> None:
    """Worse by far is bad, also of few requests; what is bad in one part of the time is a burst."""
    assert verdict(new, old()).verdict is expected


def test_others_that_vary_excuse_more() -> None:
    """Where bursts are usual, what would be bad among even nodes is not."""
    new = parts(500, 30)
    even = old(parts(500, 5), parts(500, 5))
    uneven = old(parts(500, 0), (*parts(400)[:4], Counters(100, 10, 0, 0, 1000.0)))
    assert verdict(new, even).verdict is Verdict.FAIL
    assert verdict(new, uneven).verdict is Verdict.PASS


def test_what_all_have_is_nobodys_fault() -> None:
    """The others fail as well, and did not before: the new release may do worse still."""
    others = old(parts(500, 100), parts(500, 120), before=Counters(10_000, 10))
    for failed in (100, 400):
        told = verdict(parts(500, failed), others)
        assert told.verdict is Verdict.EVERYWHERE
        assert "web2…web6 on 1 answers 22.0 % errors (220 of 1,000), and did not before" in told.reason


def test_errors_that_are_usual_are_no_outage() -> None:
    """A service that always answers one in five with a 503 is compared as any other."""
    others = old(parts(500, 100), parts(500, 100), before=Counters(10_000, 2_000))
    assert verdict(parts(500, 100), others).verdict is Verdict.PASS
    assert verdict(parts(500, 300), others).verdict is Verdict.FAIL


def test_limits_of_ones_own() -> None:
    """A share that is too much in any case, and how slow is too slow."""
    others = old(parts(500, 8), parts(500, 8))
    assert verdict(parts(500, 8), others).verdict is Verdict.PASS
    told = verdict(parts(500, 8), others, errors=0.01)
    assert (told.verdict, told.reason) == (
        Verdict.FAIL,
        "web1 on 2 answered 1.6 % errors (8 of 500), and the limit is 1.0 %",
    )
    assert verdict(parts(500, took=19), old(), slower=1.5).verdict is Verdict.FAIL


def test_machines_differ() -> None:
    """A node that took three times as long before may do so now."""
    slow = Seen("web1 on 2", (parts(500, took=30),), Counters(1000, 0, 0, 0, 30_000.0))
    others = old(before=Counters(1000, 0, 0, 0, 10_000.0))
    assert judge(slow, others, Rules()).verdict is Verdict.PASS
    slower = Seen("web1 on 2", (parts(500, took=90),), slow.before)
    assert judge(slower, others, Rules()).verdict is Verdict.FAIL


def test_without_others_it_is_measured_by_what_was_before() -> None:
    """As in a service of one node."""
    nobody = Seen("no other node", ())
    before = Counters(1000, 1)
    assert judge(Seen("web1 on 2", (parts(500, 0),), before), nobody, Rules()).verdict is Verdict.PASS
    told = judge(Seen("web1 on 2", (parts(500, 50),), before), nobody, Rules())
    assert told.verdict is Verdict.FAIL
    assert "where the release before it on web1 answered 0.1 % errors (1 of 1,000)" in told.reason


def timed(asked: int, slow: tuple[int, ...]) -> tuple[Counters, ...]:
    """Parts of the same size, in each of which so many answers took longer than twice the p99."""
    return tuple(Counters(asked, timed=asked, over_p95=each, over_p99=each) for each in slow)


@pytest.mark.parametrize(
    ("slow", "expected"),
    [
        ((3, 4, 2, 3, 3, 4), Verdict.FAIL),
        ((0, 1, 0, 0, 0, 0), Verdict.PASS),
        ((9, 9, 9, 9, 0, 0), Verdict.PASS),
        ((30, 0, 0, 0, 0, 0), Verdict.PASS),
    ],
    ids=["tails", "few", "warm-up", "burst"],
)
def test_slow_tails(slow: tuple[int, ...], expected: Verdict) -> None:
    """Some answers of a release take long all the time; slow ones at first, or once, do not count."""
    new = Seen("web1 on 2", (timed(100, slow),), times={80: 582, 87: 18})
    others = Seen("web2, web3 on 1", (timed(300, (0, 1, 0, 0, 0, 0)),), times={50: 1800})
    told = judge(new, others, Rules(limits=Limits(300.0, 400.0)))
    assert told.verdict is expected
    if expected is Verdict.FAIL:
        assert told.reason == (
            "web1 on 2 took over 400 ms for 3.2 % of answers (19 of 600; p99 1.9 s) "
            "where web2, web3 on 1 took over 400 ms for 0.1 % of answers (1 of 1,800; p99 75 ms)"
        )
    assert judge(new, others, Rules()).verdict is Verdict.PASS


def test_an_early_look_finds_what_is_bad_without_five_seconds_of_it() -> None:
    """Errors alone are found after six seconds, not after four. Nothing passes early."""
    others = old()
    for seconds, failed, expected in ((6, 100, "fail"), (4, 100, "undecided"), (20, 0, "undecided")):
        new = Seen("web1 on 2", (tuple(Counters(10, failed // 10) for _ in range(10)),), seconds=seconds)
        assert judge(new, others, Rules(errors=0.001), early=True).verdict == expected


def test_sums_tell_whether_to_look_closer() -> None:
    """What a judgement finds is suspected by its sums, and what is well is not."""
    well, bad = old().all, Counters(480, 38)
    assert suspected(bad, well, Rules(), 0.001)
    assert not suspected(well, well, Rules(), 0.001)
    assert suspected(well, Counters(), Rules(), 0.001)
