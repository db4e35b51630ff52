"""The kinds of bad answers that the judge counts, and its words for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rollout.decisions.evidence import Count
from rollout.decisions.times import Limits, Times, quantile
from rollout.domain import Counters


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of bad answers."""

    of: Callable[[Counters], Count]
    """Counts them."""
    share: float
    """Fraction of all false alarms that this kind may raise; those of all kinds add up to 1."""
    clause: Callable[[str, Count, Times], str]
    """Says how many a group, which is named, gave: `web1 on 2 answered 7.9 % errors (38 of 481)`."""
    at_first: bool = False
    """Whether a good release may give many of them at first, while it warms up."""


def kinds(limits: Limits | None) -> Iterator[Kind]:
    """All kinds; slow answers only where `limits` say what is slow."""
    yield Kind(failing, 1 / 2, lambda name, count, times: f"{name} answered {counted('errors', count)}")
    yield Kind(
        unconnected,
        1 / 4,
        lambda name, count, times: f"{name} answered {counted('connections that failed', count)}",
    )
    if limits is not None:
        yield _slow(lambda seen: (seen.over_p99, seen.timed), limits.p99)
        yield _slow(lambda seen: (seen.over_p95, seen.timed), limits.p95)


def failing(seen: Counters) -> Count:
    """Requests that users saw fail."""
    return seen.failed, seen.asked


def unconnected(seen: Counters) -> Count:
    """Connections that could not be made."""
    return seen.failed_connections, seen.asked + seen.failed_connections


def counted(what: str, count: Count) -> str:
    """`7.9 % errors (38 of 481)`."""
    bad, of = count
    return f"{percent(bad / of if of else 0.0)} {what} ({bad:,} of {of:,})"


def percent(fraction: float) -> str:
    """`7.9 %` for 0.079."""
    return f"{fraction:.1%}".replace("%", " %")


def p99(times: Times) -> str:
    """The time within which 99 of 100 answers came: `1.9 s`."""
    return _took(quantile(times, 0.99))


def _slow(of: Callable[[Counters], Count], limit: float) -> Kind:
    """Answers that took longer than `limit` milliseconds."""

    def clause(name: str, count: Count, times: Times) -> str:
        bad, all_of = count
        share = percent(bad / all_of if all_of else 0.0)
        some = f"({bad:,} of {all_of:,}; p99 {p99(times)})"
        return f"{name} took over {_took(limit)} for {share} of answers {some}"

    return Kind(of, 1 / 8, clause, at_first=True)


def _took(milliseconds: float) -> str:
    """`45 ms`, `1.9 s`."""
    return f"{milliseconds:.0f} ms" if milliseconds < 995 else f"{milliseconds / 1000:.1f} s"
