"""Evidence that one of two groups fails more often than the other: two counts in, a number out.

Both groups answer at the same time. If they are alike, each error comes from the first group with a
probability that is its share of the requests, however many errors there are and however their number changes
over time. So each error is a bet against "the first group is no worse": it multiplies the stake by the
probability that it has if the first group fails so many times as often, divided by the one that it has if
both are alike. On average such a bet wins nothing, and therefore the stake grows to 1,000 times what it was
in at most one case in 1,000, at whatever moment one looks and however often (Ville 1939). That makes it an
e-process: one may look after each error, for as long as one likes, and act at once.

The stake is spread over several ratios (Robbins 1970). Lindon, Sanden and Shirikian (2022) judge releases by
such tests; Turner, Ly and Grünwald (2024) have them for groups of any size. A request fails once at most,
which makes the evidence weaker, never stronger (Hoeffding 1963).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

Count = tuple[int, int]
"""How many requests were bad, of how many."""

_RATIOS = (2.0, 4.0, 10.0, 30.0, 100.0)
"""How many times as often the first group may fail: the bet is spread evenly over these."""


def evidence(parts: Iterable[tuple[Count, Count]]) -> float:
    """The natural logarithm of the evidence that the first group fails more often than the second.

    The share of the requests that each group gets may change from part to part of the time. A value of
    `log(1000)` or more comes up by chance on one good release in a thousand, however often one looks.
    """
    bets = [0.0] * len(_RATIOS)
    for (bad, of), (their_bad, their_of) in parts:
        if not of or not their_of:
            continue
        share = of / (of + their_of)
        for index, ratio in enumerate(_RATIOS):
            drawn = (bad + their_bad) * math.log1p(share * (ratio - 1))
            bets[index] += bad * math.log(ratio) - drawn
    best = max(bets)
    return best + math.log(sum(math.exp(bet - best) for bet in bets) / len(bets))


def unevenness(nodes: Sequence[Sequence[Count]]) -> float:
    """How many times more the nodes of a group differ from each other in the same part of the time than by
    chance, at least 1. Where errors come in bursts, so many of them are one event."""
    varied, free = 0.0, 0
    for part in zip(*nodes, strict=True):
        counts = [(bad, of) for bad, of in part if of]
        usual = sum(bad for bad, _ in counts) / max(1, sum(of for _, of in counts))
        free += max(0, len(counts) - 1)
        if 0 < usual < 1:
            varied += sum((bad - of * usual) ** 2 / (of * usual * (1 - usual)) for bad, of in counts)
    return max(1.0, varied / free) if free else 1.0
