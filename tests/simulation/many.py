"""Many seeds on several cores."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.simulation.scenario import Result, simulate

_AT_ONCE = 50
"""Seeds that a process is given at a time."""


@dataclass
class Totals:
    """What became of many deployments."""

    deployments: int = 0
    requests: int = 0
    excused: int = 0
    seconds: float = 0.0
    """Virtual ones."""
    outcomes: Counter[str] = field(default_factory=Counter)
    afterwards: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    failures: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.deployments += 1
        self.requests += result.requests
        self.excused += result.excused
        self.seconds += result.seconds
        self.outcomes[result.outcome] += 1
        self.afterwards.update(result.after.split("; ") if result.after else [])
        self.struck.update(result.struck)
        if result.violations:
            self.failures.append(result)

    def __str__(self) -> str:
        ends = (*self.outcomes.most_common(), *self.afterwards.most_common())
        outcomes = ", ".join(f"{count} {how}" for how, count in ends)
        return (
            f"{self.deployments} deployments ({outcomes}) in {self.seconds / 3600:.1f} virtual hours: "
            f"{self.struck.total()} faults, {self.requests} requests, "
            f"{self.excused} lost to what broke by itself, "
            f"{len(self.failures)} violations"
        )


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def simulate_many(seeds: Sequence[int], workers: int) -> Iterator[Result]:
    """The result of every seed, in the order of the seeds."""
    if workers == 1:
        yield from map(simulate, seeds)
        return
    portions = [seeds[start : start + _AT_ONCE] for start in range(0, len(seeds), _AT_ONCE)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for results in pool.map(_portion, portions):
            yield from results


def total(results: Iterable[Result]) -> Totals:
    totals = Totals()
    for result in results:
        totals.add(result)
    return totals


def _portion(seeds: Sequence[int]) -> list[Result]:
    return [simulate(seed) for seed in seeds]
