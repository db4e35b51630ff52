"""The times of single answers, from what HAProxy logs to a ring. Counters show means; these show the slowest.

They are counted as slow by limits that were fixed before they came, so that they can be compared by the same
test as errors.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from rollout.decisions.counter_totals import Totals
from rollout.decisions.times import Limits, Times, limits, step, together
from rollout.domain import Counters, Logged, Server, TimedAnswer
from rollout.engine.log import Recorder
from rollout.errors import LoadBalancerError
from rollout.events import Warned
from rollout.ports import LoadBalancer

_PACE = 1.0
"""Seconds between two looks at a ring."""
_BYTES_PER_SECOND = 500_000
"""Bytes of a ring that are read in a second on average: a large one is read less often."""
_LARGEST = 16_000_000
"""Bytes of a ring that is too large."""
_LONGEST_PAUSE = 60.0
"""Seconds between two looks at a load balancer that does not answer."""

Snapshot = Mapping[Server, Times]
"""The times of each server's answers until a moment."""


@dataclass
class _Answers:
    """The answers of one server so far."""

    times: Counter[int] = field(default_factory=Counter)
    timed: int = 0
    over_p95: int = 0
    over_p99: int = 0


class Tails:
    """The times of all answers since the deployment began, and how many were slow since the limits are
    fixed."""

    def __init__(self) -> None:
        self.limits: Limits | None = None
        self._servers: dict[Server, _Answers] = {}

    def add(self, answers: Iterable[TimedAnswer], *, count: bool = True) -> None:
        """Add answers; `count` those that came just now."""
        for answer in answers:
            of_server = self._servers.setdefault(answer.server, _Answers())
            of_server.times[step(answer.milliseconds)] += 1
            if count and self.limits is not None:
                of_server.timed += 1
                of_server.over_p95 += answer.milliseconds > self.limits.p95
                of_server.over_p99 += answer.milliseconds > self.limits.p99

    def fix_limits(self, old: Collection[Server], slower: float) -> None:
        """Fix what is slow from now on, by what `old` servers took so far; as it was, if they said little."""
        self.limits = limits(self.times(old), slower) or self.limits

    def times(self, servers: Collection[Server], since: Snapshot | None = None) -> Times:
        """The times of all answers of `servers`, without those of `since`."""
        now = together(*(self._servers[server].times for server in servers if server in self._servers))
        before = together(*(since[server] for server in servers if server in since)) if since else Counter()
        return now - before

    def snapshot(self) -> Snapshot:
        """The times until now, as a copy."""
        return {server: Counter(answers.times) for server, answers in self._servers.items()}

    def added_to(self, totals: Totals) -> Totals:
        """The totals of HAProxy's counters, and with them what is counted here."""
        if not self._servers:
            return totals
        seen = {server: self._servers[server] for server in totals if server in self._servers}
        return {**totals, **{server: _added(totals[server], answers) for server, answers in seen.items()}}


def _added(counters: Counters, answers: _Answers) -> Counters:
    return replace(counters, timed=answers.timed, over_p95=answers.over_p95, over_p99=answers.over_p99)


async def follow(balancer: LoadBalancer, tails: Tails, record: Recorder) -> None:
    """Add to `tails` what a load balancer logs, until it is cancelled, or nothing can be read."""
    first, readable, pause = True, False, _PACE
    while True:
        try:
            logged = await balancer.logged()
        except LoadBalancerError:
            pause = min(2 * pause, _LONGEST_PAUSE)  # the watch says so if it stays away
        else:
            if logged is None:
                return
            if not readable and (problem := unusable(logged)):
                record(Warned(f"{balancer.name}: {problem}"))
                return
            tails.add(logged.answers, count=not first)
            first, readable = False, readable or bool(logged.answers)
            pause = max(_PACE, logged.size / _BYTES_PER_SECOND)
        await asyncio.sleep(pause)


def unusable(logged: Logged) -> str:
    """Why a ring does not show what answers took; empty if it does."""
    if logged.size > _LARGEST:
        why = "is too large to be read again and again: a `size` of 1 MB will do"
    elif logged.unreadable:
        why = "has a format that rollout cannot read (it reads `option httplog`)"
    else:
        return ""
    return f"ring {logged.ring} {why}, so response times are judged by their means alone"
