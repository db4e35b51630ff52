"""The lines of the charts, from the samples of a story."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from rollout.decisions.story import Sample, Story
from rollout.decisions.users_saw import OTHER_SERVERS

_MOST = 600
"""Samples that are drawn; of more, every second one, or third…"""
_BY_HAPROXY = "answered by HAProxy itself"

Points = tuple[tuple[float, float], ...]
"""Unix times and values."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart: one run of points for each try."""

    name: str
    runs: tuple[Points, ...]
    bad: bool = False
    """Whether anything above zero is bad news."""
    dashed: bool = False
    """Whether it is a limit, and not a measurement."""

    @property
    def highest(self) -> float:
        return max((value for run in self.runs for _, value in run), default=0.0)


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines that share a scale."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    stepped: bool = False
    """Whether a value holds until the next one."""

    @property
    def highest(self) -> float:
        return max((line.highest for line in self.lines), default=0.0)


def charts(story: Story) -> tuple[Chart, ...]:
    """The charts of a story; none where its journal has no samples."""
    runs = [_thinned(each.samples) for each in story.tries]
    if not any(runs):
        return ()
    releases = list(dict.fromkeys(name for run in runs for sample in run for name in sample.seen.releases))
    releases.sort(key=lambda name: (name == OTHER_SERVERS, name == story.plan.release))
    requests = (_rate(name, runs, partial(_of, name)) for name in releases)
    errors = (_rate(name, runs, partial(_errors_of, name), bad=True) for name in releases)
    by_haproxy = _rate(_BY_HAPROXY, runs, lambda sample: sample.seen.by_haproxy, bad=True)
    found = [
        Chart("Requests by release", "per second", tuple(requests)),
        Chart("Errors by release", "per second", (*errors, by_haproxy)),
        Chart(
            "Sessions on each load balancer",
            "at once",
            _gauges(runs, lambda sample: sample.seen.sessions),
            stepped=True,
        ),
        _capacity(story, runs),
    ]
    if any(sample.seen.probes for run in runs for sample in run):
        slowest = _gauge("slowest answer", runs, lambda sample: sample.seen.probe_milliseconds)
        found.append(Chart("Probe", "ms", (slowest,), stepped=True))
        failures = _rate("failures", runs, lambda sample: sample.seen.probe_failures, bad=True)
        if failures.highest:
            found.append(Chart("Failures of the probe", "per second", (failures,)))
    return tuple(chart for chart in found if chart.lines)


def _capacity(story: Story, runs: Sequence[Sequence[Sample]]) -> Chart:
    ready = _gauges(runs, lambda sample: sample.seen.ready)
    floors = {one.load_balancer: one.floor for each in story.tries for one in each.capacity}
    limits = [
        Line(f"the least, on {', '.join(names)}", _level(runs, floor), dashed=True)
        for floor in sorted(set(floors.values()))
        if (names := [name for name, own in floors.items() if own == floor])
    ]
    return Chart(
        "Servers that take traffic", "on each load balancer", (*ready, *limits) if ready else (), stepped=True
    )


def _thinned(samples: Sequence[Sample]) -> Sequence[Sample]:
    every = -(-len(samples) // _MOST)
    return samples[::-1][::every][::-1] if every > 1 else samples


def _of(release: str, sample: Sample) -> int:
    return dict(zip(sample.seen.releases, sample.seen.requests, strict=False)).get(release, 0)


def _errors_of(release: str, sample: Sample) -> int:
    return dict(zip(sample.seen.releases, sample.seen.errors, strict=False)).get(release, 0)


def _rate(
    name: str, runs: Sequence[Sequence[Sample]], count: Callable[[Sample], int], *, bad: bool = False
) -> Line:
    """What is counted, per second, between each sample and the one before."""

    def rates(run: Sequence[Sample]) -> Iterator[tuple[float, float]]:
        for before, after in pairwise(run):
            seconds = max(after.time - before.time, 0.001)
            yield after.time, max(0, count(after) - count(before)) / seconds

    return Line(name, tuple(tuple(rates(run)) for run in runs), bad=bad)


def _gauge(name: str, runs: Sequence[Sequence[Sample]], value: Callable[[Sample], float]) -> Line:
    return Line(name, tuple(tuple((sample.time, value(sample)) for sample in run) for run in runs))


def _gauges(
    runs: Sequence[Sequence[Sample]], values: Callable[[Sample], Mapping[str, int]]
) -> tuple[Line, ...]:
    def value_of(name: str, sample: Sample) -> int:
        return values(sample).get(name, 0)

    names = dict.fromkeys(name for run in runs for sample in run for name in values(sample))
    return tuple(_gauge(name, runs, partial(value_of, name)) for name in names)


def _level(runs: Sequence[Sequence[Sample]], value: float) -> tuple[Points, ...]:
    return tuple(((run[0].time, value), (run[-1].time, value)) if run else () for run in runs)
