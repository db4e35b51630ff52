"""The waits of a step, added up."""

from __future__ import annotations

from rollout.decisions.waits import Wait, Waits


def test_news_that_differ_in_figures_are_one_wait() -> None:
    """All times count, and of its texts the longest, which names clients; short waits are left out."""
    waits = Waits()
    for at, detail in (
        (0.0, "lb1 12 left"),
        (3.0, "lb1 9 left"),
        (4.0, "lb1 9 left (10.0.0.7:5501 for 3 s; 26 s left)"),
        (9.0, "health page: 503"),
        (9.5, "lb1 1 left"),
    ):
        waits.heard(detail, at)
    assert waits.longest(10.0) == (
        Wait("lb1 9 left (10.0.0.7:5501 for 3 s; 26 s left)", 5.0),
        Wait("lb1 12 left", 4.5),
    )


def test_only_the_longest_are_told() -> None:
    """A step that waited for many things tells of five."""
    waits = Waits()
    for number in range(10):
        waits.heard(f"for {'abcdefghij'[number]}", float(sum(range(number + 1))))
    told = waits.longest(55.0)
    assert [wait.detail for wait in told] == ["for j", "for i", "for h", "for g", "for f"]
    assert [wait.seconds for wait in told] == [10.0, 9.0, 8.0, 7.0, 6.0]


def test_nothing_is_waited_for_after_the_last_news() -> None:
    """Empty news end a wait."""
    waits = Waits()
    waits.heard("a lock", 0.0)
    waits.heard("", 2.0)
    assert waits.longest(100.0) == (Wait("a lock", 2.0),)
