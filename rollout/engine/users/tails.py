"""The times of single answers, from what HAProxy logs to a ring. Counters show means; these show the slowest.

They are counted as slow by limits that were fixed before they came, so that they can be compared by the same
test as errors.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from rollout.decisions.counter_totals import Totals
from rollout.decisions.times import Limits, Times, limits, step, together
from rollout.domain import Counters, Server, TimedAnswer
from rollout.engine.log import Recorder
from rollout.errors import LoadBalancerError, NoStream
from rollout.events import Warned
from rollout.ports import LoadBalancer

_AGAIN = 1.0
"""Seconds until a ring is read again after HAProxy was reloaded, or its connection broke."""

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

    def add(self, answers: Iterable[TimedAnswer]) -> None:
        """Count answers that came just now."""
        for answer in answers:
            of_server = self._servers.setdefault(answer.server, _Answers())
            of_server.times[step(answer.milliseconds)] += 1
            if self.limits is not None:
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
        seen = {server: answers for server, answers in self._servers.items() if server in totals}
        return {**totals, **{server: _added(totals[server], answers) for server, answers in seen.items()}}


def _added(counters: Counters, answers: _Answers) -> Counters:
    return replace(counters, timed=answers.timed, over_p95=answers.over_p95, over_p99=answers.over_p99)


async def follow(balancer: LoadBalancer, tails: Tails, record: Recorder) -> None:
    """Add to `tails` what a load balancer logs, until it is cancelled, or nothing can be read."""
    known = False
    while True:
        try:
            ring = await balancer.ring()
            if ring is None:
                return
            if ring.unreadable:
                record(Warned(f"{balancer.name}: {unreadable(ring.name)}"))
                return
            if not known:
                tails.add(ring.answers)
                known = True
            async with aclosing(balancer.answers(ring.name)) as batches:
                async for answers in batches:
                    tails.add(answers)
        except NoStream as error:
            record(Warned(f"{error}: {ALONE}"))
            return
        except LoadBalancerError:
            pass  # it may be back soon; the watch says so if not
        await asyncio.sleep(_AGAIN)


ALONE = "response times are judged by their means alone"


def unreadable(ring: str) -> str:
    """The problem with a ring whose lines say nothing."""
    return (
        f"the log in ring {ring} has a format that rollout cannot read (it reads `option httplog`): {ALONE}"
    )
