"""The looks that a watch keeps: what a judge needs, however long a wave takes."""

from __future__ import annotations

from itertools import pairwise

from rollout.engine.users.looks import Look, Looks


def looked(seconds: int, looks: Looks, *, pace: float = 1.0) -> Looks:
    for number in range(round(seconds / pace)):
        looks.add(Look(number * pace, {}))
    return looks


def test_an_hour_is_fewer_than_200_looks() -> None:
    """They span all the time, and none is further from the next than a twentieth of its age."""
    kept = looked(3600, Looks()).since(0.0)
    assert len(kept) < 200
    assert (kept[0].time, kept[-1].time) == (0.0, 3599.0)
    assert all(after.time - each.time <= max(1.0, (3599 - each.time) / 19) for each, after in pairwise(kept))


def test_the_last_seconds_are_kept_as_they_were_seen() -> None:
    """A bake of a few seconds is judged by all of its looks."""
    kept = looked(60, Looks(), pace=0.1).since(59.9 - 2.0)
    assert len(kept) >= 20


def test_where_nothing_is_judged_the_last_seconds_are_enough() -> None:
    """The look before them stays, too: it is what they are compared with."""
    kept = looked(3600, Looks(5.0)).since(0.0)
    assert [look.time for look in kept] == [float(second) for second in range(3593, 3600)]


def test_the_next_wave_begins_with_the_last_look() -> None:
    """What was seen before it is forgotten."""
    looks = looked(60, Looks())
    looks.forget()
    assert [look.time for look in looks.since(0.0)] == [59.0]
