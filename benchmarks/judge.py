"""How soon a bad release is found, and how often a good one is judged bad: the judge's test beside Fisher's.

Both see the same bakes of `tests/simulation/streams.py`, looked at once a second. Fisher's exact test has no
guarantee for more than one look, so its allowance is halved at each look, and it looks ever more rarely:
after 32 requests, 64, 128, … and at the end. Run it from the repository: `python -m benchmarks.judge`; a few
minutes.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence

from rollout.decisions.judge import FALSE_ALARMS, Seen, allowance
from rollout.domain import Counters
from tests.simulation.streams import Bake, Release

_BAKES = 1000
_DEPLOYMENTS = 2000
_NODES = 6
_RELEASES = {
    "2 % errors": Release(errors=0.02),
    "5 % errors": Release(errors=0.05),
    "10 % errors": Release(errors=0.1),
    "errors only": Release(errors=1.0),
    "3 % of answers ten times slower": Release(slow=0.03),
}
_FIRST_LOOK, _EARLIEST = 32, 10
_EXCESS, _TIMES = 0.005, 2.0

Find = Callable[[Bake, int], int]
"""After how many seconds a bake of this number, from 1, is judged bad; 0 if it is not."""


def main() -> None:
    tests: dict[str, Find] = {
        "Fisher's": fishers,
        "the judge": lambda bake, number: bake.found(allowance(number)),
    }
    for servers in (2, _NODES):
        print(f"\n{servers} nodes, 30 s: found in, and seconds until then (30 if it was not), mean")
        for what, release in _RELEASES.items():
            bakes = [Bake(random.Random(seed), release, servers=servers) for seed in range(_BAKES)]
            for name, find in tests.items():
                tell(f"{what}, {name}", [find(bake, 1) for bake in bakes])
    print(f"\n{_DEPLOYMENTS:,} good deployments of {_NODES} nodes")
    alarms = dict.fromkeys(tests, 0)
    for seed in range(_DEPLOYMENTS):
        rng = random.Random(seed)
        bakes = [Bake(rng, Release(), servers=_NODES) for _ in range(_NODES)]
        for name, find in tests.items():
            alarms[name] += any(find(bake, number) for number, bake in enumerate(bakes, 1))
    for name, number in alarms.items():
        print(f"  {'judged bad, ' + name:<48}{number:>6}")


def tell(what: str, seconds: Sequence[int]) -> None:
    found = sum(map(bool, seconds)) / len(seconds)
    mean = statistics.mean(second or 30 for second in seconds)
    print(f"  {what:<48}{found:>6.0%}{mean:>8.1f} s", flush=True)


def fishers(bake: Bake, number: int) -> int:
    """The test of errors that the judge's took the place of; slow answers are none of its business."""
    looks = 0
    for second in range(1, bake.seconds + 1):
        over = second == bake.seconds
        asked = bake.asked(second)
        if not over and (second < _EARLIEST or asked < _FIRST_LOOK * 2**looks):
            continue
        looks += 1
        # One half is for connections, one half for the end of the bake, one half of the rest for each look.
        most = FALSE_ALARMS / 2 / (2 if over else 2 ** (looks + 1))
        if _worse(*bake.seen(second), most):
            return second
    return 0


def _worse(new: Seen, others: Seen, most: float) -> bool:
    ours, theirs = new.all, others.all
    usual = theirs.failed / max(1, theirs.asked)
    best_first = sorted(new.parts, key=lambda part: part.failed / max(1, part.asked))
    rest = sum(best_first[: len(new.parts) // 2 + 1], Counters())
    if not (_matters(ours, usual) and _matters(rest, usual)):
        return False
    uneven = _unevenness([part for node in others.nodes for part in node])
    chance = _chance(
        int(ours.failed / uneven),
        round(ours.asked / uneven),
        math.ceil(theirs.failed / uneven),
        round(theirs.asked / uneven),
    )
    return chance <= most


def _matters(seen: Counters, usual: float) -> bool:
    return seen.asked > 0 and seen.failed / seen.asked >= max(usual + _EXCESS, usual * _TIMES)


def _unevenness(cells: Sequence[Counters]) -> float:
    cells = [cell for cell in cells if cell.asked]
    usual = sum(cell.failed for cell in cells) / max(1, sum(cell.asked for cell in cells))
    if len(cells) < 2 or not 0 < usual < 1:
        return 1.0
    varied = sum(
        (cell.failed - cell.asked * usual) ** 2 / (cell.asked * usual * (1 - usual)) for cell in cells
    )
    return max(1.0, varied / (len(cells) - 1))


def _chance(bad: int, of: int, their_bad: int, their_of: int) -> float:
    """Probability that at least so many of ours are bad if both groups are alike."""
    all_bad = bad + their_bad
    base = _choose(of + their_of, all_bad)
    cases = (ours for ours in range(bad, min(of, all_bad) + 1) if all_bad - ours <= their_of)
    return sum(math.exp(_choose(of, ours) + _choose(their_of, all_bad - ours) - base) for ours in cases)


def _choose(of: int, some: int) -> float:
    """The logarithm of the binomial coefficient."""
    return math.lgamma(of + 1) - math.lgamma(some + 1) - math.lgamma(of - some + 1)


if __name__ == "__main__":
    main()
