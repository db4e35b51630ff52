"""The judgement on a release: whether it answers users as well as the old one. Counters in, a verdict out.

Fractions of bad answers are compared by `evidence.py`, which holds for any number of requests and of looks.
Errors also come in bursts, on good releases: if the others differ among themselves by more than chance, each
error counts for less, and a release must be worse without the worst part of the time, too. A difference must
also matter: at least half a percent, and twice as many. All of this only takes evidence away."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from rollout.decisions.count_kinds import Kind, counted, failing, kinds, p99, percent, unconnected
from rollout.decisions.counter_totals import AVERAGED_ANSWERS
from rollout.decisions.evidence import Count, evidence, unevenness
from rollout.decisions.times import NOTICEABLE, Limits, Times
from rollout.domain import Counters, Verdict
from rollout.events import Judged

FALSE_ALARMS = 0.001
"""Fraction of deployments of a good release in which it may be judged bad by what is counted."""
_EXCESS, _TIMES = 0.005, 2.0
"""How much worse a fraction must be to matter: the difference of the two, and their ratio."""
_WORST, _WORST_SECONDS = 0.5, 5.0
"""The worst part of the time, which is left out to see if a release is worse without it: a fraction, and at
least so many seconds while it bakes."""
_REST = 1.0
"""The evidence that must be left without the worst part of the time."""
_NEARLY = 0.8
"""How much of the evidence sums must show: shares that changed in between may hide the rest."""
_OUTAGE = 0.05
"""Difference of fractions by which the others must have become worse to have a problem of their own."""
_FEW = 10
"""Requests below which their fraction says nothing."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits to judge by, from `strategy.judge`."""

    errors: float | None = None
    """Fraction of failed requests, from 0 to 1, above which a release is bad in any case."""
    slower: float = 2.0
    """Ratio of times, new to old, from which on a release is too slow."""
    min_requests: int = 100
    """Requests of the new release below which it cannot pass."""
    limits: Limits | None = None
    """The times from which on an answer is slow; `None` where the times of single answers are not known."""


@dataclass(frozen=True)
class Seen:
    """Answers of a group of nodes, in consecutive parts of the same time."""

    name: str
    """`web1 on 1.4.2`."""
    nodes: tuple[tuple[Counters, ...], ...]
    """Counters of each node in each part."""
    before: Counters = field(default_factory=Counters)
    """Counters from before the first part, as far back as HAProxy remembers, of all nodes together."""
    times: Times = field(default_factory=dict)
    """Times of single answers, of all nodes in all parts together."""
    seconds: float = math.inf
    """Length of all parts together."""

    @cached_property
    def all(self) -> Counters:
        """Counters of all nodes in all parts together."""
        return sum(self.parts, Counters())

    @cached_property
    def parts(self) -> tuple[Counters, ...]:
        """Counters of all nodes together, in each part."""
        return tuple(sum(parts, Counters()) for parts in zip(*self.nodes, strict=True))


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason, in figures."""

    verdict: Verdict
    reason: str = ""
    new: Seen | None = None
    """What was judged; `None` where the other nodes alone decided."""
    others: Seen | None = None
    """What it was compared with."""

    def of(self, nodes: Sequence[str]) -> Judged:
        """The event that says how `nodes` were judged."""
        new, others = (seen.all if seen else Counters() for seen in (self.new, self.others))
        return Judged(
            nodes=tuple(nodes),
            verdict=self.verdict,
            reason=self.reason,
            requests=new.asked,
            errors=new.failed,
            others=self.others.name if self.others else "",
            others_requests=others.asked,
            others_errors=others.failed,
        )


def judge(
    new: Seen, others: Seen, rules: Rules, false_alarms: float = FALSE_ALARMS, *, early: bool = False
) -> Judgement:
    """The judgement on `new`, compared with `others`.

    `false_alarms` is the fraction of good releases that may be judged bad, by this look and all others at the
    same nodes together. An `early` look is one at a bake that is not over: nothing passes by it. Without
    `others`, the new release is compared with what its own servers answered before.
    """
    if not others.nodes or not others.all.asked:
        others = Seen(f"the release before it on {new.name.partition(' on ')[0]}", ((new.before,),))
    elif problem := outage(new, others):
        return Judgement(Verdict.EVERYWHERE, problem, new, others)
    judged = _judged(new, others, rules, false_alarms, early=early)
    return replace(judged, new=new, others=others)


def _judged(new: Seen, others: Seen, rules: Rules, false_alarms: float, *, early: bool) -> Judgement:
    for kind in kinds(rules.limits):
        if worse := _worse(kind, new, others, false_alarms * kind.share, early=early):
            return Judgement(Verdict.FAIL, worse)
    if early:
        return Judgement(Verdict.UNDECIDED)
    if too_much := _above(new, rules):
        return Judgement(Verdict.FAIL, too_much)
    if slower := _slower(new, others, rules):
        return Judgement(Verdict.FAIL, slower)
    asked = unconnected(new.all)[1]
    if asked < rules.min_requests:
        reason = f"{new.name} got {asked} of the {rules.min_requests} requests needed to judge it"
        return Judgement(Verdict.UNDECIDED, reason)
    return Judgement(Verdict.PASS, figures(new, others))


def allowance(number: int) -> float:
    """The false alarms that one bake of a deployment may raise, or one wave; both are counted from 1.

    Half of all are for its bakes and half for its waves, however many it has.
    """
    return FALSE_ALARMS / 2 / (number * (number + 1))


def suspected(new: Counters, others: Counters, rules: Rules, false_alarms: float) -> bool:
    """Whether sums over all the time may be evidence enough, so that `judge` has to look at its parts."""
    if not others.asked:
        return True
    for kind in kinds(rules.limits):
        (bad, of), (their_bad, their_of) = counts = kind.of(new), kind.of(others)
        if bad * their_of > their_bad * of and evidence([counts]) > _NEARLY * _enough(
            false_alarms * kind.share
        ):
            return True
    return False


def outage(new: Seen, others: Seen) -> str:
    """The problem that the other nodes have themselves, as a sentence; empty if they have none."""
    bad, of = failing(others.all)
    was, among = failing(others.before)
    usual = was / among if among >= _FEW else 0.0
    if of < _FEW or bad / of < usual + _OUTAGE or bad / of < usual * _TIMES:
        return ""
    if among >= _FEW and evidence([((bad, of), (was, among))]) < _enough(FALSE_ALARMS):
        return ""
    return (
        f"{others.name} answers {counted('errors', (bad, of))}, and did not before; "
        f"{new.name} {counted('errors', failing(new.all))}"
    )


def figures(new: Seen, others: Seen) -> str:
    """What users got from the new release: `3 errors of 2,410, p99 0.2 s against 0.2 s`."""
    both = f", p99 {p99(new.times)} against {p99(others.times)}" if new.times and others.times else ""
    return f"{new.all.failed:,} errors of {new.all.asked:,}{both}"


def _worse(kind: Kind, new: Seen, others: Seen, false_alarms: float, *, early: bool) -> str:
    """How much worse the new release is, as a sentence; empty if it is not."""
    ours, theirs = kind.of(new.all), kind.of(others.all)
    if ours[1] < _FEW or theirs[1] < _FEW:
        return ""
    parts = [kind.of(part) for part in new.parts]
    their_parts = [kind.of(part) for part in others.parts]
    usual = theirs[0] / theirs[1]
    uneven = unevenness([[kind.of(part) for part in node] for node in others.nodes])
    if (
        not _matters(ours, usual)
        or _evidence(parts, their_parts) / uneven < _enough(false_alarms)
        or not _most_of_the_time(parts, theirs, new.seconds if early else math.inf)
        or (kind.at_first and not all(_matters(kind.of(third), usual) for third in _thirds(new.parts)))
    ):
        return ""
    return f"{kind.clause(new.name, ours, new.times)} where {kind.clause(others.name, theirs, others.times)}"


def _enough(false_alarms: float) -> float:
    return -math.log(false_alarms)


def _evidence(parts: Sequence[Count], their_parts: Sequence[Count]) -> float:
    """The evidence of all parts; by their sums where the two were not counted at the same time."""
    if len(parts) != len(their_parts):
        return evidence([(_sum(parts), _sum(their_parts))])
    return evidence(zip(parts, their_parts, strict=True))


def _matters(count: Count, usual: float) -> bool:
    bad, of = count
    return of > 0 and bad / of >= max(usual + _EXCESS, usual * _TIMES)


def _most_of_the_time(parts: Sequence[Count], theirs: Count, seconds: float) -> bool:
    """Whether there is evidence without the worst parts, and a difference that matters."""
    left = 1 - max(_WORST, min(1.0, _WORST_SECONDS / seconds))
    best_first = sorted(parts, key=lambda part: part[0] / max(1, part[1]))
    rest = _sum(best_first[: math.ceil(len(parts) * left)])
    total = sum(of for _, of in parts)
    as_many = round(theirs[0] * rest[1] / total), round(theirs[1] * rest[1] / total)
    return _matters(rest, theirs[0] / theirs[1]) and evidence([(rest, as_many)]) >= _REST


def _sum(counts: Sequence[Count]) -> Count:
    return sum(bad for bad, _ in counts), sum(of for _, of in counts)


def _above(new: Seen, rules: Rules) -> str:
    bad, of = failing(new.all)
    if rules.errors is None or of < rules.min_requests or bad / of <= rules.errors:
        return ""
    allowed = percent(rules.errors)
    return f"{new.name} answered {counted('errors', (bad, of))}, and the limit is {allowed}"


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
        noticeable = max(NOTICEABLE, AVERAGED_ANSWERS / ours.requests)
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


def joined(names: Sequence[str]) -> str:
    """The names of nodes, in order, cut short: `web1`, `web2, web3`, `web2…web6`."""
    return ", ".join(names) if len(names) <= 2 else f"{names[0]}…{names[-1]}"
