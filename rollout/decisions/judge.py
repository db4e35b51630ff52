"""Whether a new release answers users as well as the old one does, by what HAProxy counted. Pure.

Shares are compared by Fisher's exact test, so that no number of requests is too small for it. Errors also
come in bursts, on good releases: what differs among the others by more than chance counts the less for it,
and a release must be worse most of the time. A difference must matter, too: half a percent, and twice as
many.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto

from rollout.domain import Counters

FALSE_ALARMS = 0.001
"""Of a thousand nodes with a good release, at most so many times one is judged bad for its errors."""
_EXCESS, _TIMES = 0.005, 2.0
"""How much worse a share must be: by so much of all, and so many times."""
_OUTAGE = 0.05
"""By how much of all the others must have become worse, to be the ones that have a problem."""
_NOTICEABLE = 5.0
"""Milliseconds."""
_WINDOW = 512
"""Answers of HAProxy's sliding average, which is told in whole milliseconds: one may be missing for each."""
_FEW = 10
"""Requests, below which nothing is said of them."""


class Verdict(StrEnum):
    PASS = auto()
    FAIL = auto()
    UNDECIDED = auto()
    """Not enough requests."""
    EVERYWHERE = auto()
    """The others have a problem too: that is not the release's doing."""


@dataclass(frozen=True, slots=True)
class Rules:
    """`errors` is a share from 0 to 1 that is too much in any case."""

    errors: float | None = None
    slower: float = 2.0
    min_requests: int = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """What a group of nodes answered in consecutive parts of the same time, and before it."""

    name: str
    """`web1 on 1.4.2`."""
    nodes: tuple[tuple[Counters, ...], ...]
    """The parts of each node."""
    before: Counters = field(default_factory=Counters)
    """Before all of it, as far as HAProxy remembers."""

    @property
    def all(self) -> Counters:
        return sum((part for parts in self.nodes for part in parts), Counters())

    @property
    def parts(self) -> tuple[Counters, ...]:
        """Those of all nodes together."""
        return tuple(sum(parts, Counters()) for parts in zip(*self.nodes, strict=True))


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    reason: str = ""


_Share = Callable[[Counters], tuple[int, int]]


def _failing(seen: Counters) -> tuple[int, int]:
    return seen.failed, seen.asked


def _unconnected(seen: Counters) -> tuple[int, int]:
    return seen.failed_connections, seen.asked + seen.failed_connections


_SHARES: tuple[tuple[str, _Share], ...] = (("errors", _failing), ("connections that failed", _unconnected))


def judge(new: Seen, others: Seen, rules: Rules, false_alarms: float = FALSE_ALARMS) -> Judgement:
    """`false_alarms` is the share of good releases that may be judged bad by this look.

    Without `others`, what the new one's servers answered before is what it must come up to.
    """
    if not others.nodes or not others.all.asked:
        others = Seen(f"the release before it on {new.name.partition(' on ')[0]}", ((new.before,),))
    elif problem := outage(new, others):
        return Judgement(Verdict.EVERYWHERE, problem)
    for what, share in _SHARES:
        if worse := _worse(what, share, new, others, false_alarms / len(_SHARES)):
            return Judgement(Verdict.FAIL, worse)
    if too_much := _above(new, rules):
        return Judgement(Verdict.FAIL, too_much)
    if slower := _slower(new, others, rules):
        return Judgement(Verdict.FAIL, slower)
    asked = _unconnected(new.all)[1]
    if asked < rules.min_requests:
        return Judgement(Verdict.UNDECIDED, f"{new.name} was asked {asked} times of {rules.min_requests}")
    return Judgement(Verdict.PASS, f"{_counted('errors', _failing(new.all))}")


def outage(new: Seen, others: Seen) -> str:
    """What problem the others have of their own; empty if they have none."""
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


def _worse(what: str, share: _Share, new: Seen, others: Seen, false_alarms: float) -> str:
    bad, of = share(new.all)
    their_bad, their_of = share(others.all)
    if of < _FEW or their_of < _FEW:
        return ""
    usual = their_bad / their_of
    if not (_matters(bad, of, usual) and _matters(*_without_bursts(share, new), usual)):
        return ""
    uneven = _unevenness(share(part) for parts in others.nodes for part in parts)
    chance = _chance(
        int(bad / uneven), round(of / uneven), math.ceil(their_bad / uneven), round(their_of / uneven)
    )
    if chance > false_alarms:
        return ""
    there = _counted(what, (their_bad, their_of))
    return f"{new.name} answered {_counted(what, (bad, of))} where {others.name} answered {there}"


def _matters(bad: int, of: int, usual: float) -> bool:
    return of > 0 and bad / of >= max(usual + _EXCESS, usual * _TIMES)


def _without_bursts(share: _Share, seen: Seen) -> tuple[int, int]:
    """What is left without the worse ones of the parts, which are less than half of them."""
    parts = sorted((share(part) for part in seen.parts), key=lambda part: part[0] / max(1, part[1]))
    rest = parts[: len(parts) // 2 + 1]
    return sum(bad for bad, _ in rest), sum(of for _, of in rest)


def _above(new: Seen, rules: Rules) -> str:
    bad, of = _failing(new.all)
    if rules.errors is None or of < rules.min_requests or bad / of <= rules.errors:
        return ""
    allowed = _percent(rules.errors)
    return f"{new.name} answered {_counted('errors', (bad, of))}: {allowed} is the limit"


def _slower(new: Seen, others: Seen, rules: Rules) -> str:
    """Slow in each third of the time: a few answers that take long make one of them slow."""
    parts = list(zip(_thirds(new.parts), _thirds(others.parts), strict=False))
    enough = max(_FEW, rules.min_requests / 3)
    if len(parts) < 3 or any(ours.requests < enough or theirs.requests < _FEW for ours, theirs in parts):
        return ""
    usual = _usual_ratio(new.before, others.before)
    for ours, theirs in parts:
        noticeable = max(_NOTICEABLE, _WINDOW / ours.requests)
        if _mean(ours) < max(_mean(theirs) * rules.slower * usual, _mean(theirs) * usual + noticeable):
            return ""
    there = f"{others.name} took {_mean(others.all):.0f} ms"
    return f"{new.name} took {_mean(new.all):.0f} ms to answer where {there}"


def _thirds(parts: Sequence[Counters]) -> list[Counters]:
    marks = [round(index * len(parts) / 3) for index in range(4)]
    return [sum(parts[a:b], Counters()) for a, b in itertools.pairwise(marks) if b > a]


def _usual_ratio(ours: Counters, theirs: Counters) -> float:
    """How much slower the node was before: machines differ."""
    if min(ours.requests, theirs.requests) < _WINDOW or not _mean(theirs):
        return 1.0
    return max(1.0, _mean(ours) / _mean(theirs))


def _mean(seen: Counters) -> float:
    """Milliseconds."""
    return seen.milliseconds / seen.requests if seen.requests else 0.0


def _unevenness(shares: Iterable[tuple[int, int]]) -> float:
    """How many times more the shares vary than chance would have it; 1 at the least."""
    cells = [(bad, of) for bad, of in shares if of]
    total = sum(of for _, of in cells)
    usual = sum(bad for bad, _ in cells) / total if total else 0.0
    if len(cells) < 2 or not 0 < usual < 1:
        return 1.0
    varied = sum((bad - of * usual) ** 2 / (of * usual * (1 - usual)) for bad, of in cells)
    return max(1.0, varied / (len(cells) - 1))


def _chance(bad: int, of: int, their_bad: int, their_of: int) -> float:
    """Fisher's exact test: how likely so many of ours are bad, or more, if both answer alike."""
    total, all_bad = of + their_of, bad + their_bad
    most = min(of, all_bad)

    def ways(ours: int) -> float:
        return _choose(of, ours) + _choose(their_of, all_bad - ours) - _choose(total, all_bad)

    return min(1.0, sum(math.exp(ways(ours)) for ours in range(bad, most + 1) if all_bad - ours <= their_of))


def _choose(of: int, some: int) -> float:
    """The logarithm of the binomial coefficient."""
    return math.lgamma(of + 1) - math.lgamma(some + 1) - math.lgamma(of - some + 1)


def _counted(what: str, share: tuple[int, int]) -> str:
    """`7.9 % errors (38 of 481)`."""
    bad, of = share
    return f"{_percent(bad / of if of else 0.0)} {what} ({bad:,} of {of:,})"


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def joined(names: Sequence[str]) -> str:
    """`web1`, `web2, web3`, `web2…web6`."""
    return ", ".join(names) if len(names) <= 2 else f"{names[0]}…{names[-1]}"
