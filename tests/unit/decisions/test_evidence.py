"""Evidence from two counts: what comes up by chance, and what does not."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from rollout.decisions.evidence import Count, evidence, unevenness
from rollout.decisions.judge import FALSE_ALARMS, allowance

COUNTS = st.tuples(st.integers(0, 10**6), st.integers(0, 10**9)).map(lambda pair: (min(pair), max(pair)))


def test_it_grows_by_chance_as_rarely_as_stated_however_often_one_looks() -> None:
    """Two groups that are alike, looked at after each of 400 errors: one in twenty ever reaches log(20)."""
    rng = random.Random(1)
    reached = 0
    for _ in range(1000):
        share, bad, their_bad = rng.choice((0.1, 0.5, 0.8)), 0, 0
        for _ in range(400):
            ours = rng.random() < share
            bad, their_bad = bad + ours, their_bad + (not ours)
            if evidence([((bad, round(10**6 * share)), (their_bad, round(10**6 * (1 - share))))]) >= math.log(
                20
            ):
                reached += 1
                break
    assert reached <= 50


def test_shares_may_change() -> None:
    """A node that warms up: the evidence of its parts is right where that of their sums is not."""
    rng = random.Random(2)
    reached = by_sums = 0
    for _ in range(1000):
        parts: list[tuple[Count, Count]] = []
        # While it gets most of the requests, most requests fail, on both.
        for asked, failing in ((100, 0.001), (900, 0.1)):
            counts = [sum(rng.random() < failing for _ in range(of)) for of in (asked, 1000 - asked)]
            parts.append(((counts[0], asked), (counts[1], 1000 - asked)))
        reached += evidence(parts) >= math.log(20)
        by_sums += (
            evidence([((sum(p[0][0] for p in parts), 1000), (sum(p[1][0] for p in parts), 1000))]) >= 3.0
        )
    assert reached <= 50
    assert by_sums >= 500


def test_a_group_that_fails_more_often_is_found() -> None:
    """Ten errors of a hundred requests where the others had none of five hundred; not the other way round."""
    assert evidence([((10, 100), (0, 500))]) > math.log(10_000)
    assert evidence([((0, 100), (50, 500))]) < 0
    assert evidence([((0, 100), (0, 500))]) == 0.0


@given(st.lists(st.tuples(COUNTS, COUNTS)))
def test_any_counts(parts: list[tuple[Count, Count]]) -> None:
    """It is a number for any counts, large ones too, and where nobody answered."""
    assert math.isfinite(evidence(parts))


@given(st.lists(st.tuples(COUNTS, COUNTS)))
def test_any_unevenness(parts: list[tuple[Count, Count]]) -> None:
    """The nodes of a group differ as by chance, or more."""
    assert 1.0 <= unevenness([list(node) for node in zip(*parts, strict=True)]) < math.inf


def test_unevenness_is_within_the_same_time() -> None:
    """A burst on one node makes errors count for less; one on all of them at once does not."""
    assert unevenness([[(0, 100), (20, 100)], [(0, 100), (0, 100)]]) > 5
    assert unevenness([[(0, 100), (20, 100)], [(0, 100), (20, 100)]]) == 1.0


def test_all_bakes_and_waves_together_raise_no_more_than_is_stated() -> None:
    """However many a deployment has."""
    assert 2 * sum(allowance(number) for number in range(1, 10_000)) <= FALSE_ALARMS
