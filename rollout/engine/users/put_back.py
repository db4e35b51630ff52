"""The nodes that a deployment put back: they are watched until it ends, since what was proved may pass."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rollout.decisions.counter_totals import summed
from rollout.decisions.fall import Fall, fall, in_doubt
from rollout.decisions.health import DRAINING, fault
from rollout.decisions.placement import Owners
from rollout.decisions.plan import Plan
from rollout.decisions.standing import Serving
from rollout.domain import Counters, Server, ServerBefore, ServerState, Standing
from rollout.engine.context import NodeContext
from rollout.engine.health_page import ask
from rollout.engine.site import Site
from rollout.engine.users.watch import Watch
from rollout.engine.waiting import run_all
from rollout.errors import ChangedByOthers, Fallen, RequestFailed, StepFailure
from rollout.inventory.health import Health

T = TypeVar("T")

_HINT = "look at its log, and at `rollout status`"
_HINT_TO_OTHERS = "rollout leaves what they set; `rollout status` shows it"


class PutBack:
    """The nodes that one deployment put back. HAProxy's checks tell which of them is out of rotation again;
    where no load balancer is listed, their health pages do."""

    def __init__(self, site: Site, plan: Plan, watch: Watch) -> None:
        self._site = site
        self._plan = plan
        self._watch = watch
        self._earlier: dict[Server, ServerBefore] = {}
        """How the servers were of nodes that an earlier try put back."""
        self._some_lead = any(known.standing is Standing.ALONE for known in plan.before.values())
        self._since: dict[str, tuple[float, Mapping[Server, Counters]]] = {}
        """When each node was put back, and what its servers had answered until then."""
        self._contexts: dict[str, NodeContext] = {}
        self._falls: dict[str, Fall] = {}
        self._doubts: dict[str, str] = {}
        """Why nodes may be about to fall."""
        self._unseen: set[str] = set()
        """The nodes that some load balancer has not shown since they were put back."""
        self._owners = Owners(plan.placement)
        self._baking: set[str] = set()

    def add(self, context: NodeContext, before: Mapping[Server, ServerBefore] | None = None) -> None:
        """Watch a node from now on. `before` is how its servers were before, where the plan does not know."""
        now = asyncio.get_running_loop().time()
        self._contexts[context.name] = context
        self._watch.since = now
        own = self._plan.placement[context.name]
        self._since[context.name] = (now, self._watch.counted(own))
        self._earlier.update(before or {})
        self._unseen.add(context.name)

    def discard(self, name: str) -> None:
        """Watch a node no longer: its fall has been told, or it leaves again."""
        self._contexts.pop(name, None)
        self._falls.pop(name, None)
        self._doubts.pop(name, None)
        self._unseen.discard(name)

    async def look(self, *, now: bool) -> None:
        """Look at all nodes, at their states alone where these are well.

        A reading that came just now will do, unless it must be begun `now`.
        """
        if not now:
            await self._watch.see()
            await self.judge()
        if now or self.in_doubt:
            await self._watch.look(now=now)
            await self.judge()

    async def judge(self) -> None:
        """Judge all nodes by the last look at the load balancers; without any, by their health pages now."""
        if self._site.load_balancers:
            self._judge_by_checks()
            return
        names = list(self._contexts)
        falls = await run_all(self._fall_of_page(self._contexts[name]) for name in names)
        self._falls = {
            name: found
            for name, found in zip(names, falls, strict=True)
            if found is not None and name in self._contexts
        }

    def _judge_by_checks(self) -> None:
        """Judge the nodes that are not shown as before, and those that are not known to be well."""
        changed = self._owners.of(self._watch.take_changed())
        due = self._contexts.keys() & (changed | self._falls.keys() | self._doubts.keys() | self._unseen)
        serving: Serving = {}
        if self._some_lead:  # what another node shows may be why this one may be down
            due, serving = set(self._contexts), self._watch.serving
        for name in sorted(due):
            states = self._states(name)
            _keep(self._falls, name, self._fall(states, serving))
            _keep(self._doubts, name, in_doubt(states))
            if self._watch.seen_since(self._since[name][0]):
                self._unseen.discard(name)

    def has(self, name: str) -> bool:
        """Whether a node is watched."""
        return name in self._contexts

    @contextmanager
    def baking(self, name: str) -> Iterator[None]:
        """A context in which a node bakes."""
        self._baking.add(name)
        try:
            yield
        finally:
            self._baking.discard(name)

    @property
    def fallen(self) -> list[str]:
        """The nodes that were out of rotation at the last look, without those that bake."""
        return [name for name in self._falls if name not in self._baking]

    def failure(self, name: str) -> StepFailure | None:
        """The error for a node that is out of rotation; `None` for one that is not."""
        if (found := self._fall_by_checks(name) or self._falls.get(name)) is None:
            return None
        if found.by_others:
            return ChangedByOthers(found.reason, hint=_HINT_TO_OTHERS)
        return Fallen(f"{found.reason}{self._answered(name)}", hint=_HINT)

    def seconds(self, name: str) -> float:
        """Seconds since the node was put back."""
        return asyncio.get_running_loop().time() - self._since[name][0]

    @property
    def unseen(self) -> str:
        """Which load balancers did not answer the last look, as a sentence; empty if all did."""
        names = ", ".join(self._watch.unanswered)
        return f"{names} did not answer: what takes traffic there was not seen" if names else ""

    @property
    def in_doubt(self) -> str:
        """Why one of the nodes may be about to fall, or is out; empty if all are well."""
        for name, found in self._falls.items():
            return f"{name} was put back, and is out of rotation again: {found.reason}"
        for name, doubt in self._doubts.items():
            return f"{name} was put back, and its last check failed: {doubt}"
        return ""

    def _states(self, name: str) -> list[ServerState]:
        """The node's servers, as they were seen since it was put back."""
        return self._watch.states(self._plan.placement[name], self._since[name][0])

    def _fall_by_checks(self, name: str) -> Fall | None:
        if name not in self._contexts:
            return None
        return self._fall(self._states(name), self._watch.serving if self._some_lead else {})

    def _fall(self, states: Sequence[ServerState], serving: Serving) -> Fall | None:
        return fall(states, {state.server: self._known(state.server) for state in states}, serving)

    def _known(self, server: Server) -> ServerBefore | None:
        """How a server was before; `None` if nobody noted it."""
        return self._earlier.get(server) or self._plan.before.get(server)

    def _answered(self, name: str) -> str:
        """How many requests failed since the node was put back, as HAProxy counted them."""
        servers, (_, before) = self._plan.placement[name], self._since[name]
        counted = summed(self._watch.looks.last.totals, servers, before) if self._watch.looks else Counters()
        return f"; {counted.failed:,} of {counted.asked:,} requests to it failed" if counted.asked else ""

    async def _fall_of_page(self, context: NodeContext) -> Fall | None:
        """The fall of a node by its health page, which must be wrong twice: once may be the network."""
        health = self._site.inventory.health
        if health is None or not (wrong := await self._fault(context, health)):
            return None
        await asyncio.sleep(health.interval)
        if await self._fault(context, health):
            return wrong
        return None

    async def _fault(self, context: NodeContext, health: Health) -> Fall | None:
        page = context.fill(health.http)
        try:
            answer = await ask(context, health)
        except RequestFailed as error:
            return Fall(f"{page}: {error}")
        wrong = fault(answer, health, context.release)
        drained = answer.status == DRAINING and self._site.inventory.drain.health_page is not None
        return Fall(f"{page} {wrong}", by_others=drained) if wrong else None


def _keep(found: dict[str, T], name: str, what: T | None) -> None:
    """Note what was found of a node, or that nothing was."""
    if what:
        found[name] = what
    else:
        found.pop(name, None)
