"""Samples of what users, load balancers and the probe show, so that a report can draw them afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from rollout.decisions.capacity import tightest
from rollout.decisions.plan import Plan
from rollout.engine.log import Recorder
from rollout.engine.users.jury import Jury
from rollout.engine.users.probing import Probing
from rollout.engine.users.watch import Watch
from rollout.events import Sampled, Served, UsersSaw

_PACE = 1.0
"""Seconds between two samples, at first."""
_MOST = 300
"""Samples after which the pace is halved, so that a deployment of a day has 3,000 of them."""
_IDLE = 100
"""How many times as long as a sample takes rollout waits until the next one, on a site of any size."""


class Sampling:
    """The samples of one try."""

    def __init__(
        self, plan: Plan, watch: Watch, jury: Jury, probing: Probing | None, record: Recorder
    ) -> None:
        self._placement = plan.placement
        self._backends = {name: each.backend for name, each in tightest(plan.capacity).items()}
        self._watch = watch
        self._jury = jury
        self._probing = probing
        self._record = record
        self._last: Sampled | None = None
        self._taken = 0
        self._pace = _PACE

    async def run(self) -> None:
        """Take samples until it is cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            self.take()
            await asyncio.sleep(max(self._pace, (clock() - begun) * _IDLE))

    def take(self) -> None:
        """Record a sample of the last look, unless nothing has changed."""
        sample = self._sample()
        if sample == self._last:
            return
        self._last = sample
        self._record(sample)
        self._taken += 1
        if self._taken % _MOST == 0:
            self._pace *= 2

    def _sample(self) -> Sampled:
        seen = [*self._jury.users_saw()]
        served = [event for event in seen if isinstance(event, Served)]
        shown = self._watch.shown
        nodes = (server for servers in self._placement.values() for server in servers if server in shown)
        probed = self._probing.seen() if self._probing else None
        before = self._last.probes if self._last else 0
        return Sampled(
            releases=tuple(each.release for each in served),
            requests=tuple(each.requests for each in served),
            errors=tuple(each.errors for each in served),
            by_haproxy=sum(event.by_haproxy for event in seen if isinstance(event, UsersSaw)),
            sessions=_summed((server.load_balancer, shown[server].load) for server in nodes),
            ready=_summed(
                (server.load_balancer, int(state.in_rotation and not state.backup))
                for server, state in shown.items()
                if self._backends.get(server.load_balancer) == server.backend
            ),
            probes=probed.asked if probed else 0,
            probe_failures=probed.failed if probed else 0,
            probe_milliseconds=self._probing.slowest_since(before) if self._probing else 0,
        )


def _summed(numbers: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The sum for each load balancer."""
    sums = Counter[str]()
    for load_balancer, number in numbers:
        sums[load_balancer] += number
    return dict(sums)
