"""The judgement on a release: whether it answers users as well as the old one. Counters in, a verdict out.

Fractions are compared by Fisher's exact test, which works for any number of requests. Errors also come in
bursts, on good releases: if the others differ among themselves by more than chance, each error counts for
less, and a release must be worse most of the time. A difference must also matter: at least half a percent,
and twice as many."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto

from rollout.decisions.counter_totals import AVERAGED_ANSWERS
from rollout.domain import Counters

FALSE_ALARMS = 0.001
"""Fraction of nodes with a good release that may be judged bad for their errors."""
_EXCESS, _TIMES = 0.005, 2.0
"""How much worse a fraction must be to matter: the difference of the two, and their ratio."""
_OUTAGE = 0.05
"""Difference of fractions by which the others must have become worse to have a problem of their own."""
_NOTICEABLE = 5.0
"""Milliseconds by which an answer must be slower to matter."""
_FEW = 10
"""Requests below which their fraction says nothing."""


class Verdict(StrEnum):
    """The verdict on a release."""

    PASS = auto()
    FAIL = auto()
    UNDECIDED = auto()
    """There were not enough requests."""
    EVERYWHERE = auto()
    """The other nodes have a problem, too, so the release is not to blame."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits to judge by, from `strategy.judge`."""

    errors: float | None = None
    """Fraction of failed requests, from 0 to 1, above which a release is bad in any case."""
    slower: float = 2.0
    """Ratio of mean times, new to old, from which on a release is too slow."""
    min_requests: int = 100
    """Requests of the new release below which it cannot pass."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Answers of a group of nodes, in consecutive parts of the same time."""

    name: str
    """`web1 on 1.4.2`."""
    nodes: tuple[tuple[Counters, ...], ...]
    """Counters of each node in each part."""
    before: Counters = field(default_factory=Counters)
    """Counters from before the first part, as far back as HAProxy remembers, of all nodes together."""

    @property
    def all(self) -> Counters:
        """Counters of all nodes in all parts together."""
        return sum((part for parts in self.nodes for part in parts), Counters())

    @property
    def parts(self) -> tuple[Counters, ...]:
        """Counters of all nodes together, in each part."""
        return tuple(sum(parts, Counters()) for parts in zip(*self.nodes, strict=True))


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason, in figures."""

    verdict: Verdict
    reason: str = ""


_Ratio = Callable[[Counters], tuple[int, int]]
"""Gives how many requests (or connections) were bad, of how many."""


def _failing(seen: Counters) -> tuple[int, int]:
    return seen.failed, seen.asked


def _unconnected(seen: Counters) -> tuple[int, int]:
    return seen.failed_connections, seen.asked + seen.failed_connections


_RATIOS: tuple[tuple[str, _Ratio], ...] = (("errors", _failing), ("connections that failed", _unconnected))


def judge(new: Seen, others: Seen, rules: Rules, false_alarms: float = FALSE_ALARMS) -> Judgement:
    """The judgement on `new`, compared with `others`.

    `false_alarms` is the fraction of good releases that may be judged bad by this look. Without `others`, the
    new release is compared with what its own servers answered before.
    """
    if not others.nodes or not others.all.asked:
        others = Seen(f"the release before it on {new.name.partition(' on ')[0]}", ((new.before,),))
    elif problem := outage(new, others):
        return Judgement(Verdict.EVERYWHERE, problem)
    for what, ratio in _RATIOS:
        if worse := _worse(what, ratio, new, others, false_alarms / len(_RATIOS)):
            return Judgement(Verdict.FAIL, worse)
    if too_much := _above(new, rules):
        return Judgement(Verdict.FAIL, too_much)
    if slower := _slower(new, others, rules):
        return Judgement(Verdict.FAIL, slower)
    asked = _unconnected(new.all)[1]
    if asked < rules.min_requests:
        reason = f"{new.name} got {asked} of the {rules.min_requests} requests needed to judge it"
        return Judgement(Verdict.UNDECIDED, reason)
    return Judgement(Verdict.PASS, f"{_counted('errors', _failing(new.all))}")


def outage(new: Seen, others: Seen) -> str:
    """The problem that the other nodes have themselves, as a sentence; empty if they have none."""
    bad, of = _failing(others.all)
    was, among = _failing(others.before)
    usual = was / among if among >= _FEW else 0.0
    if of < _FEW or bad / of < usual + _OUTAGE or bad / of < usual * _TIMES:
        return ""
    if among >= _FEW and _chance(bad, of, was, among) > FALSE_ALARMS:
        return ""
    return (
        f"{others.name} answers {_counted('errors', (bad, of))}, and did not before; "
        f"{new.name} {_counted('errors', _failing(new.all))}"
    )


def _worse(what: str, ratio: _Ratio, new: Seen, others: Seen, false_alarms: float) -> str:
    """How much worse the new release is, as a sentence; empty if it is not."""
    bad, of = ratio(new.all)
    their_bad, their_of = ratio(others.all)
    if of < _FEW or their_of < _FEW:
        return ""
    usual = their_bad / their_of
    if not (_matters(bad, of, usual) and _matters(*_without_bursts(ratio, new), usual)):
        return ""
    uneven = _unevenness(ratio(part) for parts in others.nodes for part in parts)
    chance = _chance(
        int(bad / uneven), round(of / uneven), math.ceil(their_bad / uneven), round(their_of / uneven)
    )
    if chance > false_alarms:
        return ""
    there = _counted(what, (their_bad, their_of))
    return f"{new.name} answered {_counted(what, (bad, of))} where {others.name} answered {there}"


def _matters(bad: int, of: int, usual: float) -> bool:
    return of > 0 and bad / of >= max(usual + _EXCESS, usual * _TIMES)


def _without_bursts(ratio: _Ratio, seen: Seen) -> tuple[int, int]:
    """The ratio over the better parts, which are just more than half of them."""
    parts = sorted((ratio(part) for part in seen.parts), key=lambda part: part[0] / max(1, part[1]))
    rest = parts[: len(parts) // 2 + 1]
    return sum(bad for bad, _ in rest), sum(of for _, of in rest)


def _above(new: Seen, rules: Rules) -> str:
    bad, of = _failing(new.all)
    if rules.errors is None or of < rules.min_requests or bad / of <= rules.errors:
        return ""
    allowed = _percent(rules.errors)
    return f"{new.name} answered {_counted('errors', (bad, of))}, and the limit is {allowed}"


def _slower(new: Seen, others: Seen, rules: Rules) -> str:
    """How much slower the new release is, as a sentence; empty if it is not.

    It must be slow in each third of the time: a few answers that take long make only one third slow.
    """
    parts = list(zip(_thirds(new.parts), _thirds(others.parts), strict=False))
    enough = max(_FEW, rules.min_requests / 3)
    if len(parts) < 3 or any(ours.requests < enough or theirs.requests < _FEW for ours, theirs in parts):
        return ""
    usual = _usual_ratio(new.before, others.before)
    for ours, theirs in parts:
        # HAProxy shows its average in whole milliseconds: one may be missing for each averaged answer.
        noticeable = max(_NOTICEABLE, AVERAGED_ANSWERS / ours.requests)
        if _mean(ours) < max(_mean(theirs) * rules.slower * usual, _mean(theirs) * usual + noticeable):
            return ""
    there = f"{others.name} took {_mean(others.all):.0f} ms"
    return f"{new.name} took {_mean(new.all):.0f} ms to answer where {there}"


def _thirds(parts: Sequence[Counters]) -> list[Counters]:
    marks = [round(index * len(parts) / 3) for index in range(4)]
    return [sum(parts[a:b], Counters()) for a, b in itertools.pairwise(marks) if b > a]


def _usual_ratio(ours: Counters, theirs: Counters) -> float:
    """How many times slower the node was before, at least 1: machines differ."""
    if min(ours.requests, theirs.requests) < AVERAGED_ANSWERS or not _mean(theirs):
        return 1.0
    return max(1.0, _mean(ours) / _mean(theirs))


def _mean(seen: Counters) -> float:
    """Milliseconds until an answer, on average."""
    return seen.milliseconds / seen.requests if seen.requests else 0.0


def _unevenness(ratios: Iterable[tuple[int, int]]) -> float:
    """How many times more the ratios vary than they would by chance, at least 1."""
    cells = [(bad, of) for bad, of in ratios if of]
    total = sum(of for _, of in cells)
    usual = sum(bad for bad, _ in cells) / total if total else 0.0
    if len(cells) < 2 or not 0 < usual < 1:
        return 1.0
    varied = sum((bad - of * usual) ** 2 / (of * usual * (1 - usual)) for bad, of in cells)
    return max(1.0, varied / (len(cells) - 1))


def _chance(bad: int, of: int, their_bad: int, their_of: int) -> float:
    """Probability that at least so many of ours are bad if both groups are alike: Fisher's exact test."""
    total, all_bad = of + their_of, bad + their_bad
    most = min(of, all_bad)

    def ways(ours: int) -> float:
        return _choose(of, ours) + _choose(their_of, all_bad - ours) - _choose(total, all_bad)

    return min(1.0, sum(math.exp(ways(ours)) for ours in range(bad, most + 1) if all_bad - ours <= their_of))


def _choose(of: int, some: int) -> float:
    """The logarithm of the binomial coefficient."""
    return math.lgamma(of + 1) - math.lgamma(some + 1) - math.lgamma(of - some + 1)


def _counted(what: str, ratio: tuple[int, int]) -> str:
    """`7.9 % errors (38 of 481)`."""
    bad, of = ratio
    return f"{_percent(bad / of if of else 0.0)} {what} ({bad:,} of {of:,})"


def _percent(fraction: float) -> str:
    """`7.9 %` for 0.079."""
    return f"{fraction:.1%}".replace("%", " %")


def joined(names: Sequence[str]) -> str:
    """The names of nodes, in order, cut short: `web1`, `web2, web3`, `web2…web6`."""
    return ", ".join(names) if len(names) <= 2 else f"{names[0]}…{names[-1]}"
