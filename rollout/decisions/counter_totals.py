"""Counters of servers and backends since a deployment began, added up over reloads. Values in, values out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from operator import attrgetter

from rollout.domain import Counters, Reading, Server, ServerState

AVERAGED_ANSWERS = 512
"""Answers over which HAProxy's average slides; as long as there were fewer it is the mean of all. (HAProxy's
TIME_STATS_SAMPLES, and measured.)"""

Totals = Mapping[Server, Counters]
"""Counters of each server since the first reading."""

_FIELDS = tuple(attrgetter(field.name) for field in fields(Counters))

Backend = tuple[str, str]
"""A load balancer and one of its backends, by their names."""

_Process = tuple[int, int]
"""A process of HAProxy, as `Reading.process` tells it from others."""


class CounterTotals:
    """Totals of HAProxy's counters over all readings, which are added in the order in which they were made.

    HAProxy's counters begin at 0 again when its process does, and when somebody clears them. That is noticed,
    and what was counted before stays in the totals.
    """

    def __init__(self) -> None:
        self._totals: dict[Server, Counters] = {}
        self._answered: dict[Backend, Counters] = {}
        self.before: dict[Server, Counters] = {}
        """Counters of each server from before the first reading, as far back as HAProxy remembers."""
        self._last: dict[Server, tuple[_Process, ServerState]] = {}
        self._last_answered: dict[Backend, tuple[_Process, Counters]] = {}

    @property
    def totals(self) -> Totals:
        """The totals now, as a copy."""
        return dict(self._totals)

    def of(self, servers: Iterable[Server]) -> Totals:
        """The totals now of some servers; one that was never shown is missing."""
        return {server: self._totals[server] for server in servers if server in self._totals}

    @property
    def answered(self) -> Mapping[Backend, Counters]:
        """What users got from each backend since the first reading, as a copy."""
        return dict(self._answered)

    def add(self, reading: Reading, changed: Iterable[ServerState] | None = None) -> None:
        """Add what was counted since the last reading of this load balancer; `changed` are the states that
        are not as they were then, if that is known."""
        for state in reading.servers if changed is None else changed:
            self._add_server(reading.process, state)
        for name, answered in reading.answered.items():
            self._add_backend(reading.process, (reading.load_balancer, name), answered)

    def _add_server(self, now: _Process, state: ServerState) -> None:
        process, last = self._last.get(state.server, (None, None))
        if last is state and process == now:
            return  # nothing was counted
        self._last[state.server] = (now, state)
        if last is None:
            self._totals[state.server] = Counters()
            self.before[state.server] = replace(
                state.counters, milliseconds=float(state.mean * state.counters.requests)
            )
        else:
            same = process == now and not _were_cleared(last.counters, state.counters)
            self._totals[state.server] += _since(last if same else None, state)

    def _add_backend(self, now: _Process, backend: Backend, answered: Counters) -> None:
        process, last = self._last_answered.get(backend, (now, answered))
        self._last_answered[backend] = (now, answered)
        same = process == now and not _were_cleared(last, answered)
        grown = answered - last if same else answered
        self._answered[backend] = self._answered.get(backend, Counters()) + grown


def summed(totals: Totals, servers: Iterable[Server], since: Totals | None = None) -> Counters:
    """Counters of `servers` together, without what `since` has of them already."""
    servers = list(servers)
    return _sum(totals, servers) - _sum(since or {}, servers)


def _sum(totals: Totals, servers: Iterable[Server]) -> Counters:
    """Field by field: a judge adds up thousands of counters at each look."""
    own = [totals[server] for server in servers if server in totals]
    return Counters(*(sum(map(of_field, own)) for of_field in _FIELDS))


def _were_cleared(last: Counters, now: Counters) -> bool:
    """Whether counters of one process were cleared in between. Otherwise they may go back by a few, since
    HAProxy does not raise all of them at the same moment."""
    return 2 * now.requests < last.requests


def _since(last: ServerState | None, now: ServerState) -> Counters:
    """Counters between two readings of one process; all that it counted, without `last`."""
    before = last.counters if last else Counters()
    grown = now.counters - before
    took = _milliseconds(before.requests, last.mean if last else 0, now, grown.requests)
    return replace(grown, milliseconds=max(0.0, took))


def _milliseconds(before: int, mean: int, now: ServerState, answered: int) -> float:
    """Milliseconds that `answered` requests took together, from HAProxy's average before and after them."""
    if now.counters.requests <= AVERAGED_ANSWERS:
        return now.counters.requests * now.mean - before * mean
    left = math.exp(-answered / AVERAGED_ANSWERS)
    return answered * (now.mean - mean * left) / (1 - left) if answered else 0.0
