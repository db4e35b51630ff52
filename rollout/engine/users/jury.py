"""The jury of a deployment: it keeps the evidence about every node, and judges nodes and waves by it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rollout.decisions.counter_totals import Totals, summed
from rollout.decisions.judge import (
    Judgement,
    Rules,
    Seen,
    allowance,
    figures,
    joined,
    judge,
    outage,
    suspected,
)
from rollout.decisions.plan import Plan
from rollout.decisions.users_saw import OTHER_SERVERS, RELEASE_BEFORE, Share, users_saw
from rollout.domain import Counters, Server, Standing, Verdict
from rollout.engine.users.looks import Look
from rollout.engine.users.tails import Snapshot
from rollout.engine.users.watch import Watch
from rollout.events import Event
from rollout.inventory.judge import Judge

_PARTS = 10
"""Parts into which the judged time is cut, so that a burst of errors shows as a burst."""
_MEASURE = 3
"""Nodes with the old release that suffice to compare with; with fewer, all other nodes are compared with."""
RECENT = 5.0
"""Seconds, up to now, in which the other nodes are searched for a problem of their own."""


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The beginning of a bake."""

    time: float
    """On the loop's clock."""
    times: Snapshot
    """The times of all answers until then."""


class Jury:
    """The evidence and the judgements of one deployment.

    `settings` is `None` where nothing is judged; what users get is counted all the same.
    """

    def __init__(self, settings: Judge | None, plan: Plan, previous: Mapping[str, str], watch: Watch) -> None:
        self._settings = settings
        self._plan = plan
        self._previous = previous
        self._watch = watch
        self._entered: dict[str, Totals] = {}
        """What the servers of each node had answered before it took traffic again, with the new release."""
        self._away: set[str] = set()
        """Nodes that left rotation and have not passed yet: others are not compared with them."""
        self._bake_began: dict[str, _Beginning] = {}
        """Of each node that bakes, and of the first one of the wave."""
        self._bakes = itertools.count(1)
        self._waves = itertools.count(1)
        self._false_alarms: dict[str, float] = {}
        """The false alarms that may be raised by the present bake of each node."""

    @property
    def sits(self) -> bool:
        """Whether nodes are judged by what users get."""
        return self._settings is not None

    @property
    def knows_the_release(self) -> bool:
        """Whether nobody needs to judge, since the nodes go back to what they ran before."""
        return self._plan.back

    def begin_wave(self) -> None:
        """Judge by what comes from now on: no bake of an earlier wave counts."""
        self._bake_began.clear()
        self._fix_limits()

    def _fix_limits(self) -> None:
        """Fix from which time on answers are slow, by those of the old release."""
        old = [name for name in self._others(()) if name not in self._entered]
        servers = [server for name in old for server in self._servers(name)]
        self._watch.tails.fix_limits(servers, self._rules().slower)

    def left(self, name: str) -> None:
        """Note that a node leaves rotation: from now on no other is compared with it."""
        self._away.add(name)

    async def entered(self, name: str) -> None:
        """Note that a node is about to take traffic again."""
        self._entered[name] = await self._watch.count(self._servers(name))

    async def bake_begins(self, name: str) -> None:
        """Note that the bake of a node begins or begins again: nothing from before is judged."""
        look = await (self._watch.look() if self.sits else self._watch.recent_look())
        self._bake_began[name] = _Beginning(look.time, self._watch.tails.snapshot() if self.sits else {})
        self._false_alarms[name] = allowance(next(self._bakes))

    def bake_ended(self, name: str) -> None:
        """Note that the bake of a node is over: only the first one of a wave is needed any longer."""
        began = self._bake_began.get(name)
        if began is not None and began is not self._first_bake():
            del self._bake_began[name]
        self._false_alarms.pop(name, None)

    def _first_bake(self) -> _Beginning:
        return min(self._bake_began.values(), key=lambda began: began.time)

    def passed(self, name: str) -> None:
        """Note that a node ended its roll in rotation: others may be compared with it."""
        self._away.discard(name)

    async def look(self, name: str, *, times: bool = False) -> Judgement:
        """Judge a node early, while it bakes: FAIL, EVERYWHERE or UNDECIDED, since a good release passes only
        after its bake. `times` says whether it is time to judge by slow answers, too."""
        if self._watch.tails.limits is None:
            self._fix_limits()  # too few answers came before the wave
        if not self.sits:
            await self._watch.recent_look()
            return Judgement(Verdict.UNDECIDED)
        await self._watch.look()
        if problem := self._outage([name]):
            return Judgement(Verdict.EVERYWHERE, problem)
        false_alarms = self._false_alarms[name]
        rules = self._rules() if times else replace(self._rules(), limits=None)
        new, others = self._since_bake([name], parts=1)
        if suspected(new.all, others.all, rules, false_alarms):
            judged = judge(*self._since_bake([name]), rules, false_alarms, early=True)
            if judged.verdict is Verdict.FAIL:
                return judged
        return Judgement(Verdict.UNDECIDED, figures(new, others))

    async def verdict(self, names: Sequence[str]) -> Judgement:
        """Judge one node that has baked, or a whole wave."""
        await self._watch.look()
        if problem := self._outage(names):
            return Judgement(Verdict.EVERYWHERE, problem)
        alone = len(names) == 1
        false_alarms = self._false_alarms[names[0]] if alone else allowance(next(self._waves))
        return judge(*self._since_bake(names), self._rules(), false_alarms)

    def trouble(self, names: Collection[str]) -> str:
        """The problem that the other nodes have now, by their answers or HAProxy's checks; empty if none."""
        others = [self._servers(name) for name in self._others(names)]
        newly_down = self._newly_down(self._watch.down_before or frozenset())
        down = [servers for servers in others if servers and newly_down.issuperset(servers)]
        if others and 2 * len(down) >= len(others):
            return f"HAProxy also finds {len(down)} of {len(others)} other nodes down"
        return self._outage(names)

    def users_saw(self) -> Iterator[Event]:
        """The events that say what users got during the deployment, from all backends that have a node."""
        end, answered = self._watch.looks.last.totals, self._watch.answered
        nodes = {server: name for name, servers in self._plan.placement.items() for server in servers}
        used = {(server.load_balancer, server.backend) for server in nodes}
        backends = {backend: counters for backend, counters in answered.items() if backend in used}
        shares = [
            share
            for server in end
            if (server.load_balancer, server.backend) in backends
            for share in self._shares(server, nodes.get(server), end)
        ]
        return users_saw(backends, shares)

    def _shares(self, server: Server, node: str | None, end: Totals) -> Iterator[Share]:
        """The answers of a server with each release that it ran."""
        if node is None:
            yield Share(OTHER_SERVERS, server, end[server])
            return
        entered = self._entered.get(node)
        if entered is None:
            yield Share(self._old(node), server, end[server])
            return
        switched = entered.get(server, Counters())
        yield Share(self._old(node), server, switched)
        yield Share(self._new(node), server, end[server] - switched)

    def _newly_down(self, before: frozenset[Server]) -> frozenset[Server]:
        """The servers that HAProxy finds down now, and did not before.

        Where one node leads, a server that another one of its backend has replaced is none of them.
        """
        down = self._watch.down
        return frozenset(server for server in down - before if not self._is_replaced(server, down))

    def _is_replaced(self, server: Server, down: Collection[Server]) -> bool:
        known = self._plan.before.get(server)
        if known is None or known.standing not in (Standing.ALONE, Standing.DOWN):
            return False
        backend = (server.load_balancer, server.backend)
        others = (s for servers in self._plan.placement.values() for s in servers if s != server)
        return any((s.load_balancer, s.backend) == backend and s not in down for s in others)

    def _rules(self) -> Rules:
        settings = self._settings or Judge()
        return Rules(settings.errors, settings.slower, settings.min_requests, self._watch.tails.limits)

    def _outage(self, names: Collection[str]) -> str:
        """The problem that users have with the other nodes now; empty if none."""
        now = self._watch.looks.last.time
        return outage(*self._evidence(names, now - RECENT, 1))

    def _since_bake(self, names: Collection[str], *, parts: int = _PARTS) -> tuple[Seen, Seen]:
        """The answers since the bake of the named node began; of several, since the first of the wave did."""
        began = self._bake_began[next(iter(names))] if len(names) == 1 else self._first_bake()
        return self._evidence(names, began.time, parts, began.times)

    def _evidence(
        self, names: Collection[str], since: float, parts: int, times_before: Snapshot | None = None
    ) -> tuple[Seen, Seen]:
        """The answers that users got from the named nodes since a time, and from the nodes to compare them
        with.

        These are the nodes that still run the old release, if they are enough; else all others.
        """
        own = {name: self._servers(name) for name in names}
        backends = {(server.load_balancer, server.backend) for servers in own.values() for server in servers}
        others = {
            name: [s for s in self._servers(name) if (s.load_balancer, s.backend) in backends]
            for name in self._others(names)
        }
        old = {name: servers for name, servers in others.items() if name not in self._entered}
        all_old = [server for servers in old.values() for server in servers]
        looks = self._watch.looks.since(since)
        asked = summed(looks[-1].totals, all_old, looks[0].totals).asked if looks else 0
        measure = old if len(old) >= _MEASURE and asked >= self._rules().min_requests else others
        cut = _cut(looks, parts)
        return self._seen(own, cut, times_before), self._seen(measure, cut, times_before)

    def _others(self, names: Collection[str]) -> list[str]:
        return [n for n in self._plan.placement if n not in names and n not in self._away]

    def _servers(self, name: str) -> tuple[Server, ...]:
        return self._plan.placement[name]

    def _seen(
        self,
        servers: Mapping[str, Collection[Server]],
        parts: Sequence[tuple[Look, Look]],
        times_before: Snapshot | None,
    ) -> Seen:
        tails, every = self._watch.tails, [server for own in servers.values() for server in own]
        before = (summed(self._watch.before, own) for own in servers.values())
        return Seen(
            self._name(list(servers)),
            tuple(tuple(summed(b.totals, own, a.totals) for a, b in parts) for own in servers.values()),
            sum(before, Counters()),
            times={} if times_before is None else tails.times(every, times_before),
            seconds=parts[-1][1].time - parts[0][0].time if parts else 0.0,
        )

    def _name(self, names: Sequence[str]) -> str:
        releases = {self._new(name) if name in self._entered else self._old(name) for name in names}
        on = f" on {releases.pop()}" if len(releases) == 1 else ""
        return f"{joined(names)}{on}" if names else "no other node"

    def _new(self, name: str) -> str:
        return self._plan.release_of(name) or f"{self._old(name)}, restarted"

    def _old(self, name: str) -> str:
        return self._previous.get(name) or RELEASE_BEFORE


def _cut(looks: Sequence[Look], parts: int) -> list[tuple[Look, Look]]:
    """The first and the last look of each part, which all take about as long; fewer parts than asked for
    where there are few looks."""
    if not looks:
        return []
    begin, seconds = looks[0].time, looks[-1].time - looks[0].time
    marks = dict.fromkeys(_nearest(looks, begin + seconds * index / parts) for index in range(parts + 1))
    return list(itertools.pairwise(looks[mark] for mark in marks))


def _nearest(looks: Sequence[Look], time: float) -> int:
    return min(range(len(looks)), key=lambda index: abs(looks[index].time - time))
