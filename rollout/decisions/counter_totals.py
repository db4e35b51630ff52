"""Counters of servers since a deployment began, added up over reloads. Values in, values out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from rollout.domain import Counters, Reading, Server, ServerState

AVERAGED_ANSWERS = 512
"""Answers over which HAProxy's average slides; as long as there were fewer it is the mean of all. (HAProxy's
TIME_STATS_SAMPLES, and measured.)"""

Totals = Mapping[Server, Counters]
"""Counters of each server since the first reading."""


class CounterTotals:
    """Totals of HAProxy's counters over all readings, which are added in the order in which they were made.

    HAProxy's counters begin at 0 again when its process does, and when somebody clears them. That is noticed,
    and what was counted before stays in the totals.
    """

    def __init__(self) -> None:
        self._totals: dict[Server, Counters] = {}
        self.before: dict[Server, Counters] = {}
        """Counters of each server from before the first reading, as far back as HAProxy remembers."""
        self._last: dict[Server, tuple[tuple[int, int], ServerState]] = {}

    @property
    def totals(self) -> Totals:
        """The totals now, as a copy."""
        return dict(self._totals)

    def add(self, reading: Reading) -> None:
        """Add what was counted since the last reading of this load balancer."""
        for state in reading.servers:
            process, last = self._last.get(state.server, (None, None))
            self._last[state.server] = (reading.process, state)
            if last is None:
                self._totals[state.server] = Counters()
                self.before[state.server] = replace(
                    state.counters, milliseconds=float(state.mean * state.counters.requests)
                )
            else:
                same = process == reading.process and state.counters.requests >= last.counters.requests
                self._totals[state.server] += _since(last if same else None, state)


def summed(totals: Totals, servers: Iterable[Server], since: Totals | None = None) -> Counters:
    """Counters of `servers` together, without what `since` has of them already."""
    result = Counters()
    for server in servers:
        result += totals.get(server, Counters()) - (since or {}).get(server, Counters())
    return result


def _since(last: ServerState | None, now: ServerState) -> Counters:
    """Counters between two readings of one process; all that it counted, without `last`."""
    before = last.counters if last else Counters()
    answered = now.counters.requests - before.requests
    grown = now.counters - before
    return Counters(
        requests=answered,
        errors=max(0, grown.errors),
        broken=max(0, grown.broken),
        failed_connections=max(0, grown.failed_connections),
        milliseconds=max(0.0, _milliseconds(before.requests, last.mean if last else 0, now, answered)),
    )


def _milliseconds(before: int, mean: int, now: ServerState, answered: int) -> float:
    """Milliseconds that `answered` requests took together, from HAProxy's average before and after them."""
    if now.counters.requests <= AVERAGED_ANSWERS:
        return now.counters.requests * now.mean - before * mean
    left = math.exp(-answered / AVERAGED_ANSWERS)
    return answered * (now.mean - mean * left) / (1 - left) if answered else 0.0
