"""The jury of a deployment: it has the evidence of every node, and judges nodes and waves by it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from rollout.decisions.counter_totals import Totals, summed
from rollout.decisions.judge import FALSE_ALARMS, Judgement, Rules, Seen, Verdict, joined, judge, outage
from rollout.decisions.plan import Plan
from rollout.domain import Counters, Server
from rollout.engine.users.watch import Look, Watch
from rollout.inventory.judge import Judge

_PARTS = 10
"""Into which the time of a judgement is cut, so that a burst of errors is known as one."""
_FIRST_LOOK = 32
"""Requests, at which a node is first judged while it bakes; then at twice as many, and so on."""
_EARLIEST = 10.0
"""Seconds before the first look: a burst of errors is then less than most of the time."""
_MEASURE = 3
"""Nodes with the old release that are enough to know how they differ; else all others are looked at."""
_RECENT = 5.0
"""Seconds in which the others are looked at for a problem of their own."""


class Jury:
    """`settings` is `None` where nothing is judged; the users' figures are kept all the same."""

    def __init__(self, settings: Judge | None, plan: Plan, previous: Mapping[str, str], watch: Watch) -> None:
        self._settings = settings
        self._plan = plan
        self._previous = previous
        self._watch = watch
        self._entered: dict[str, Look] = {}
        """The look at which each node began to take traffic with what it has now."""
        self._away: set[str] = set()
        self._since: dict[str, Look] = {}
        self._looked: dict[str, int] = {}

    @property
    def sits(self) -> bool:
        return self._settings is not None

    def left(self, name: str) -> None:
        """It is on its way out, so that it is no measure for others."""
        self._away.add(name)

    async def entered(self, name: str) -> None:
        """It is about to take traffic again."""
        self._entered[name] = await self._watch.look()

    async def again(self, name: str) -> None:
        """What is judged of it begins now."""
        self._since[name] = await self._watch.look()
        self._looked[name] = 0

    def passed(self, name: str) -> None:
        """It has baked: others can be measured by it."""
        self._away.discard(name)

    async def look(self, name: str) -> Judgement:
        """What can be said of a node while it bakes. Good ones are said to be undecided."""
        await self._watch.look()
        if not self.sits:
            return Judgement(Verdict.UNDECIDED)
        if problem := self._outage([name]):
            return Judgement(Verdict.EVERYWHERE, problem)
        new, others = self._evidence([name], self._since[name].time)
        asked = new.all.asked + new.all.failed_connections
        early = self._watch.looks[-1].time < self._since[name].time + _EARLIEST
        if early or asked < _FIRST_LOOK * 2 ** self._looked[name]:
            return Judgement(Verdict.UNDECIDED, self._told(new))
        self._looked[name] += 1
        rules = replace(self._rules(), slower=math.inf, errors=None)
        judged = judge(new, others, rules, FALSE_ALARMS / 2 ** (self._looked[name] + 1))
        return judged if judged.verdict is Verdict.FAIL else Judgement(Verdict.UNDECIDED, self._told(new))

    async def verdict(self, names: Sequence[str]) -> Judgement:
        """On one node that has baked, or on a whole wave."""
        await self._watch.look()
        if problem := self._outage(names):
            return Judgement(Verdict.EVERYWHERE, problem)
        new, others = self._evidence(names, min(self._since[name].time for name in names))
        judged = judge(new, others, self._rules(), FALSE_ALARMS / 2)
        return Judgement(judged.verdict, self._told(new)) if judged.verdict is Verdict.PASS else judged

    def down(self, name: str) -> tuple[Server, ...]:
        """The servers of it that HAProxy finds down, and did not when it began."""
        found = self._watch.looks[-1].down - self._since[name].down
        return tuple(server for server in self._servers(name) if server in found)

    def trouble(self, names: Collection[str]) -> str:
        """What is wrong with the others now, by their answers or by HAProxy's checks; empty if nothing is."""
        others = [self._servers(name) for name in self._others(names)]
        found = self._watch.looks[-1].down - self._watch.down_before
        down = [servers for servers in others if servers and found.issuperset(servers)]
        if others and 2 * len(down) >= len(others):
            return f"HAProxy finds {len(down)} of {len(others)} other nodes down, too"
        return self._outage(names)

    def users(self) -> dict[str, Counters]:
        """What users got from each release, by its name."""
        end, served = self._watch.looks[-1].totals, dict[str, Counters]()
        for name, servers in self._plan.placement.items():
            entered = self._entered.get(name)
            old, new = self._old(name), self._new(name)
            turned: Totals = entered.totals if entered else end
            served[old] = served.get(old, Counters()) + summed(turned, servers)
            if entered:
                served[new] = served.get(new, Counters()) + summed(end, servers, turned)
        return {release: counters for release, counters in served.items() if counters.asked}

    def _rules(self) -> Rules:
        settings = self._settings or Judge()
        return Rules(settings.errors, settings.slower, settings.min_requests)

    def _outage(self, names: Collection[str]) -> str:
        now = self._watch.looks[-1].time
        return outage(*self._evidence(names, now - _RECENT, parts=1))

    def _evidence(self, names: Collection[str], since: float, *, parts: int = _PARTS) -> tuple[Seen, Seen]:
        own = {name: self._servers(name) for name in names}
        backends = {(server.load_balancer, server.backend) for servers in own.values() for server in servers}
        others = {
            name: [s for s in self._servers(name) if (s.load_balancer, s.backend) in backends]
            for name in self._others(names)
        }
        old = {name: servers for name, servers in others.items() if name not in self._entered}
        all_old = [server for servers in old.values() for server in servers]
        looks = [look for look in self._watch.looks if look.time >= since]
        asked = summed(looks[-1].totals, all_old, looks[0].totals).asked if looks else 0
        measure = old if len(old) >= _MEASURE and asked >= self._rules().min_requests else others
        cut = _cut(looks, parts)
        return self._seen(own, cut), self._seen(measure, cut)

    def _others(self, names: Collection[str]) -> list[str]:
        return [n for n in self._plan.placement if n not in names and n not in self._away]

    def _servers(self, name: str) -> tuple[Server, ...]:
        return self._plan.placement[name]

    def _seen(self, servers: Mapping[str, Collection[Server]], parts: Sequence[tuple[Look, Look]]) -> Seen:
        before = (summed(self._watch.before, own) for own in servers.values())
        return Seen(
            self._name(list(servers)),
            tuple(tuple(summed(b.totals, own, a.totals) for a, b in parts) for own in servers.values()),
            sum(before, Counters()),
        )

    def _name(self, names: Sequence[str]) -> str:
        releases = {self._new(name) if name in self._entered else self._old(name) for name in names}
        on = f" on {releases.pop()}" if len(releases) == 1 else ""
        return f"{joined(names)}{on}" if names else "no other node"

    def _new(self, name: str) -> str:
        return self._plan.release_of(name) or f"{self._old(name)}, restarted"

    def _old(self, name: str) -> str:
        return self._previous.get(name) or "the release before"

    def _told(self, new: Seen) -> str:
        return f"{new.all.failed:,} errors of {new.all.asked:,}"


def _cut(looks: Sequence[Look], parts: int) -> list[tuple[Look, Look]]:
    """The first and the last look of each part, as many as there are looks for."""
    parts = min(parts, len(looks) - 1)
    marks = [looks[round(index * (len(looks) - 1) / parts)] for index in range(parts + 1) if parts > 0]
    return list(itertools.pairwise(marks))
