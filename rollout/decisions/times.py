"""Times of single answers, kept as a histogram whose steps grow with the time: 9 % each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

_STEPS = 8
"""Steps in which a time doubles."""
NOTICEABLE = 5.0
"""Milliseconds by which an answer must be slower to matter."""
_ENOUGH = 200
"""Answers from which on their slowest hundredth says something."""

Times = Mapping[int, int]
"""Number of answers in each step."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Milliseconds from which on an answer is much slower than 95 or 99 % of the old release's."""

    p95: float
    p99: float


def step(milliseconds: float) -> int:
    """The step of a time."""
    return round(_STEPS * math.log2(milliseconds + 1))


def quantile(times: Times, fraction: float) -> float:
    """Milliseconds within which `fraction` of the answers came; 0 if there were none."""
    left = fraction * sum(times.values())
    for index in sorted(times):
        left -= times[index]
        if left <= 0:
            return 2 ** (index / _STEPS) - 1
    return 0.0


def limits(times: Times, slower: float) -> Limits | None:
    """The limits by what the old release took: `slower` times its slowest answers. `None` if it gave too few.

    They must be fixed before the answers come that are compared with them.
    """
    if sum(times.values()) < _ENOUGH:
        return None
    p95, p99 = (quantile(times, fraction) for fraction in (0.95, 0.99))
    return Limits(max(slower * p95, p95 + NOTICEABLE), max(slower * p99, p99 + NOTICEABLE))


def together(*times: Times) -> Counter[int]:
    """Several histograms as one."""
    result = Counter[int]()
    for one in times:
        result.update(one)
    return result
