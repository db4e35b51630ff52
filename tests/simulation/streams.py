"""Counters of a bake, second by second, drawn at once: what a jury would see, without the jury's loop.

Errors come by themselves, in bursts on one server, and in bursts on all of them. Answers take long by
themselves and in bursts of their own. Rates differ by the second.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from rollout.decisions.judge import Rules, Seen, judge, suspected
from rollout.decisions.times import Limits
from rollout.domain import Counters, Verdict

PARTS = 10
_BURSTS = 0.005
"""A second, on each server."""
_LIMITS = Limits(400.0, 800.0)
"""Slow answers are drawn by how many there are; how slow they are is no part of the test."""


@dataclass(frozen=True)
class Release:
    """What is wrong with the new release: fractions of its answers."""

    errors: float = 0.0
    slow: float = 0.0
    """Answers that take ten times as long."""


class Bake:
    """One server of the new release among others; the first of them is new."""

    def __init__(
        self, rng: random.Random, release: Release, *, servers: int = 6, seconds: int = 30, rings: bool = True
    ) -> None:
        self.seconds = seconds
        each = rng.uniform(20, 400) / servers
        usual = rng.choice((0.0, 0.0, 0.001, 0.01, 0.03))
        lates = (0.001, 0.002) if rings else (0.0, 0.0)
        self._asked = [
            [int(each * busy * rng.uniform(0.8, 1.2) + rng.random()) for _ in range(servers)]
            for busy in (rng.lognormvariate(0, 0.4) for _ in range(seconds))
        ]
        self._bad = [[[0, 0, 0] for _ in range(servers)] for _ in range(seconds)]
        for index in range(servers):
            errors = usual + (release.errors if index == 0 else 0.0)
            # So many answers ten times as slow take over twice the p99 (p95): log-normal times, sigma 0.5.
            slow = (release.slow * 0.82, release.slow * 0.95) if index == 0 else (0.0, 0.0)
            for kind, share in enumerate((errors, lates[0] + slow[0], lates[1] + slow[1])):
                self._scatter(rng, index, kind, share)
            for _ in range(_some(rng, _BURSTS * (seconds + 2))):
                self._burst(rng, [index], 0, 0.2)
            for _ in range(_some(rng, _BURSTS * (seconds + 2)) if rings else 0):
                self._burst(rng, [index], 1, 0.2)
        for _ in range(_some(rng, _BURSTS * (seconds + 2))):
            self._burst(rng, range(servers), rng.choice((0, 1) if rings else (0,)), rng.uniform(0.02, 0.1))
        self._rules = Rules(limits=_LIMITS if rings else None)
        self._asked_until = [list(accumulate(asked, initial=0)) for asked in zip(*self._asked, strict=True)]
        self._bad_until = [
            [list(accumulate(bad, initial=0)) for bad in zip(*server, strict=True)]
            for server in zip(*self._bad, strict=True)
        ]

    def asked(self, second: int) -> int:
        """Requests that the new release got until a second."""
        return self._asked_until[0][second]

    def found(self, false_alarms: float) -> int:
        """After how many seconds the release is judged bad, looked at once a second; 0 if it is not."""
        at_first = replace(self._rules, limits=None)
        for second in range(1, self.seconds + 1):
            asked, *of_others = [until[second] for until in self._asked_until]
            bad, *of_these = [[until[second] for until in kinds] for kinds in self._bad_until]
            others = _counters(sum(of_others), [sum(kind) for kind in zip(*of_these, strict=True)])
            rules = self._rules if 2 * second > self.seconds else at_first
            if suspected(_counters(asked, bad), others, rules, false_alarms):
                early = second < self.seconds
                if judge(*self.seen(second), rules, false_alarms, early=early).verdict is Verdict.FAIL:
                    return second
        return 0

    def seen(self, second: int) -> tuple[Seen, Seen]:
        """The new release and the others until a second."""
        parts = min(PARTS, second)
        marks = [round(index * second / parts) for index in range(parts + 1)]
        cells = [self._counted(a, b) for a, b in pairwise(marks)]
        new, *others = zip(*cells, strict=True)
        return (
            Seen("web1 on 2", (new,), seconds=float(second)),
            Seen("web2…web6 on 1", tuple(others), seconds=float(second)),
        )

    def _counted(self, begin: int, end: int) -> Iterator[Counters]:
        for asked, bad in zip(self._asked_until, self._bad_until, strict=True):
            yield _counters(asked[end] - asked[begin], [until[end] - until[begin] for until in bad])

    def _scatter(self, rng: random.Random, index: int, kind: int, share: float) -> None:
        """A fraction of all answers, each in its own second."""
        if share > 0.01:
            for asked, bad in zip(self._asked, self._bad, strict=True):
                bad[index][kind] += _some(rng, asked[index] * share)
        else:
            total = sum(asked[index] for asked in self._asked)
            for _ in range(_some(rng, total * share)):
                self._bad[rng.randrange(self.seconds)][index][kind] += 1

    def _burst(self, rng: random.Random, servers: Sequence[int], kind: int, share: float) -> None:
        begin = rng.uniform(-2, self.seconds)
        end = begin + rng.uniform(0.3, 2)
        for second in range(max(0, int(begin)), min(self.seconds, int(end) + 1)):
            part = min(second + 1, end) - max(second, begin)
            for index in servers if part > 0 else ():
                bad = _some(rng, self._asked[second][index] * part * share)
                for counted in (0,) if kind == 0 else (1, 2):
                    self._bad[second][index][counted] += bad


def _counters(asked: int, bad: Sequence[int]) -> Counters:
    return Counters(requests=asked, errors=min(asked, bad[0]), timed=asked, over_p99=bad[1], over_p95=bad[2])


def _some(rng: random.Random, mean: float) -> int:
    """A Poisson distribution."""
    if mean > 30:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    number, chance, limit = 0, rng.random(), math.exp(-mean)
    while chance > limit:
        number += 1
        chance *= rng.random()
    return number
