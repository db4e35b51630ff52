"""A deployment: prepare everywhere, then wave after wave, each through a sliding window, and judged."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rollout.decisions.judge import Verdict
from rollout.decisions.order import Order
from rollout.decisions.plan import Plan
from rollout.domain import Outcome, Step
from rollout.engine.context import NodeContext
from rollout.engine.gate import Gate
from rollout.engine.hooks import Hooks
from rollout.engine.log import Recorder, StepLog, step
from rollout.engine.pausing import Pauses
from rollout.engine.site import Site
from rollout.engine.steps.node import NodeRoll
from rollout.engine.steps.release import release_plan, send
from rollout.engine.users.users import Users
from rollout.engine.waiting import together
from rollout.errors import JudgedBad, NoCapacity, RolloutError
from rollout.events import DeploymentFinished, Halted, NodeFailed, NodeFinished
from rollout.inventory.model import PARALLEL
from rollout.release.plan import ReleasePlan


class Deployment:
    """Carries out a plan. Everything that happens is told to `record`."""

    def __init__(
        self,
        site: Site,
        plan: Plan,
        number: int,
        previous: Mapping[str, str],
        record: Recorder,
        *,
        allow_outage: bool,
        settled: Mapping[str, Collection[Step]] | None = None,
        masked: Callable[[str], str] = str,
    ) -> None:
        """`settled` are the steps of each node that were done before the deployment was interrupted. `masked`
        hides in a text what hooks must not tell others."""
        self._site = site
        self._plan = plan
        self._record = record
        self._order = Order.of(site.inventory)
        self._gate = Gate(site, plan.placement, allow_outage=allow_outage, halted=lambda: self._halted)
        self._settled = settled or {}
        self._hooks = Hooks(site, plan, number, previous, record, masked)
        self._contexts = {
            name: site.context(name, plan.release_of(name), deployment=number, previous=previous.get(name))
            for name in plan.nodes
        }
        self._pauses = Pauses(record)
        self._users = Users(site, plan, previous, record, self._probe_failed)
        self._jury = self._users.jury
        self._left_out: set[str] = set()
        self._failed: list[str] = []
        self._done: list[str] = []
        self._halted = ""
        self._given_up = False
        self._running: asyncio.Task[Any] | None = None
        self._guards: dict[str, asyncio.Task[None]] = {}
        """Keep those out that were left out, as long as this deployment goes on."""

    @property
    def halted(self) -> str:
        """Why no further node starts; empty while they do."""
        return self._halted

    def interrupt(self, reason: str) -> None:
        """The nodes in flight are brought to a safe end at once, and `run` raises CancelledError."""
        if self._running is not None:
            self._halted = reason
            self._record(Halted(reason))
            self._pauses.halt()
            self._running.cancel()
            self._running = None

    def halt(self, reason: str) -> None:
        """No further node starts; those in flight finish. The first reason is the one that counts."""
        self._halt(reason, gave_up=False)

    @property
    def paused(self) -> bool:
        return self._pauses.any

    def promote(self, who: str) -> None:
        """Go on after a pause, because `who` says so."""
        self._pauses.promote(who)

    async def run(self) -> Outcome:
        clock = asyncio.get_running_loop().time
        begun = clock()
        self._running = asyncio.current_task()
        try:
            if await self._allowed():
                async with self._users.watched():
                    if await self._prepare():
                        await self._waves()
            outcome = self._outcome()
            await self._hooks.after_deploy(outcome, self._halted)
        except asyncio.CancelledError:
            reason = self._halted or "interrupted"
            self._record(DeploymentFinished(Outcome.INTERRUPTED, clock() - begun, reason))
            raise
        finally:
            for guard in self._guards.values():
                guard.cancel()
            await asyncio.gather(*self._guards.values(), return_exceptions=True)
        self._record(DeploymentFinished(outcome, clock() - begun, self._halted))
        return outcome

    def _halt(self, reason: str, *, gave_up: bool, judged: bool = False) -> None:
        if not self._halted:
            self._halted = reason
            self._record(Halted(reason, gave_up, judged))
            self._pauses.halt()

    def _probe_failed(self, reason: str) -> None:
        self._given_up = True
        self._halt(reason, gave_up=True)

    async def _waves(self) -> None:
        nodes = list(self._plan.nodes)
        for number, size in enumerate(self._plan.waves):
            wave, nodes = nodes[:size], nodes[size:]
            self._users.watch.forget()
            await self._roll(wave)
            if self._failed and number == 0 and self._plan.canary:
                self._halt(f"the canary {', '.join(self._failed)} failed", gave_up=True)
            if not self._halted:
                await self._judge_wave([name for name in wave if name in self._done])
            asked = number == 0 and self._plan.canary and self._site.inventory.strategy.pause
            if asked and nodes and not self._halted:
                await self._pauses.pause(f"the canary {', '.join(wave)} is done")

    async def _judge_wave(self, names: Sequence[str]) -> None:
        """One node was judged by itself; several together show what is too little to be seen of one."""
        if len(names) < 2 or not self._jury.sits:
            return
        judged = await self._jury.verdict(names)
        if judged.verdict is Verdict.FAIL:
            self._given_up = True
            self._halt(judged.reason, gave_up=True, judged=True)

    def _outcome(self) -> Outcome:
        if self._failed or self._given_up or self._hooks.refused:
            return Outcome.FAILED
        return Outcome.DONE if len(self._done) == len(self._plan.nodes) else Outcome.INTERRUPTED

    async def _allowed(self) -> bool:
        """Whether `before_deploy` lets it begin."""
        try:
            await self._hooks.before_deploy()
        except RolloutError as error:
            self.halt(f"{error}; no node was touched")
            return False
        return True

    async def _prepare(self) -> bool:
        """Send the release to all nodes and run `prepare` there while they serve.

        False if it failed on one: nothing was touched.
        """
        prepare = self._site.inventory.prepare
        ways = {name: release_plan(self._contexts[name]) for name in self._plan.nodes}
        sends = any(chosen is not None and chosen.upload is not None for chosen in ways.values())
        if self._plan.release is None or not (prepare or sends):
            return True
        places = asyncio.Semaphore(prepare.parallel if prepare else PARALLEL)

        async def one(name: str) -> None:
            async with places:
                if self._halted:
                    return
                try:
                    async with step(self._record, name, Step.PREPARE) as log:
                        await self._prepare_node(self._contexts[name], ways[name], log)
                except (RolloutError, asyncio.CancelledError) as error:
                    self._failed.append(name)
                    self._record(NodeFailed(name, left_out=name in self._plan.taken_up))
                    if isinstance(error, asyncio.CancelledError):
                        raise
                    self._halt(f"prepare failed on {name}; no node was touched", gave_up=True)

        unprepared = [n for n in self._plan.nodes if Step.PREPARE not in self._settled.get(n, ())]
        await together(one(name) for name in unprepared)
        return not self._halted

    async def _prepare_node(self, context: NodeContext, chosen: ReleasePlan | None, log: StepLog) -> None:
        prepare, back = self._site.inventory.prepare, self._plan.back
        if chosen is not None and chosen.upload is not None:
            await send(context, chosen.upload, chosen.timeout, self._site.sources, log, back=back)
        if prepare is not None:
            await context.run(prepare.command, timeout=prepare.timeout, log=log)

    async def _roll(self, nodes: Sequence[str]) -> None:
        """Keep `window` nodes on their way until all are through or the deployment is halted."""
        waiting = list(nodes)
        flying: dict[asyncio.Task[None], str] = {}
        try:
            while flying or (waiting and not self._halted):
                while not self._halted and not self._pauses.any and len(flying) < self._window():
                    name = self._order.next(waiting, flying.values(), self._left_out)
                    if name is None:
                        break
                    waiting.remove(name)
                    flying[asyncio.create_task(self._one(name))] = name
                for name in waiting[:1]:
                    self._contexts[name].host.expect(2)  # its release and its restart
                ended, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    del flying[task]
                    task.result()
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)

    def _window(self) -> int:
        """How many more nodes may be out; one that failed and stays out takes a place."""
        return max(1, self._plan.window - len(self._left_out))

    async def _one(self, name: str) -> None:
        clock = asyncio.get_running_loop().time
        begun = clock()
        context = self._contexts[name]
        servers, taken_up = self._plan.placement[name], name in self._plan.taken_up
        rotation = self._site.rotation(context, servers, self._plan.before, taken_up=taken_up)
        gate = functools.partial(self._gate.leaving, name)
        node = NodeRoll(context, rotation, self._record, gate, self._jury, self._pauses, taken_up=taken_up)
        try:
            await self._hooks.before_node(context)
            await node.roll(self._settled.get(name, ()))
        except (RolloutError, asyncio.CancelledError) as error:
            self._failed.append(name)
            if node.may_be_out:
                self._left_out.add(name)
                log = StepLog(self._record, name, Step.READY)
                self._guards[name] = asyncio.create_task(rotation.guard(log))
            self._record(NodeFailed(name, left_out=node.may_be_out))
            if isinstance(error, asyncio.CancelledError):
                raise
            if isinstance(error, NoCapacity):
                self.halt(f"{name} was not taken out: {error}")
            elif isinstance(error, JudgedBad):
                self._halt(str(error), gave_up=True, judged=True)
            elif trouble := self._jury.trouble([name]):
                self.halt(f"{name} failed, and is not to blame: {trouble}")
            elif len(self._failed) > self._site.inventory.strategy.max_failures:
                self._halt(f"{name} failed", gave_up=True)
        else:
            self._done.append(name)
            try:
                await self._hooks.after_node(context)
            finally:
                self._record(NodeFinished(name, clock() - begun))
        finally:
            self._gate.ended(name, left_out=node.may_be_out)
            if not node.may_be_out:
                self._jury.passed(name)
