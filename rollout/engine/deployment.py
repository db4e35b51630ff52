"""A deployment, from top to bottom: all nodes are prepared, then rolled wave after wave in a sliding window.

The halt (`halt.py`) ends it early: each loop looks at it before it starts something new.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rollout.decisions.judge import Verdict
from rollout.decisions.order import Order
from rollout.decisions.plan import Plan
from rollout.domain import Outcome, Step
from rollout.engine.deployment_context import DeploymentContext
from rollout.engine.gate import Gate
from rollout.engine.halt import Halt
from rollout.engine.hooks import Hooks
from rollout.engine.log import Recorder, StepLog
from rollout.engine.pausing import Pauses
from rollout.engine.preparation import Preparation
from rollout.engine.rotation.protocol import Rotation
from rollout.engine.site import Site
from rollout.engine.steps.node import NodeRoll
from rollout.engine.users.users import Users
from rollout.errors import JudgedBad, NoCapacity, Outage, RolloutError, Undecided
from rollout.events import DeploymentFinished, NodeFailed, NodeFinished


class Deployment:
    """One run of a plan. Everything that happens is recorded as an event."""

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
        """`previous` are the releases that nodes ran before, and `settled` the steps that an earlier try
        finished, both by the node's name. `masked` hides the values in a text that hooks must not show."""
        self._site = site
        self._plan = plan
        self._record = record
        self._strategy = site.inventory.strategy
        self._settled = settled or {}
        self._pauses = Pauses(record)
        self._halt = Halt(record, self._pauses)
        self._context = DeploymentContext(site, plan, number, previous, record)
        self._order = Order.of(site.inventory)
        self._gate = Gate(site, plan.placement, self._halt, allow_outage=allow_outage)
        self._hooks = Hooks(self._context, masked)
        self._users = Users(self._context, self._halt)
        self._jury = self._users.jury
        self._done: list[str] = []
        self._failed: list[str] = []
        self._left_out: set[str] = set()
        self._guards: dict[str, asyncio.Task[None]] = {}
        """Keep the nodes that were left out from returning for as long as this deployment runs."""
        self._running: asyncio.Task[Any] | None = None

    @property
    def halted(self) -> str:
        """Why no further node starts; empty while they do."""
        return self._halt.reason

    @property
    def paused(self) -> bool:
        """Whether a pause keeps further nodes from starting."""
        return self._pauses.any

    def halt(self, reason: str) -> None:
        """Start no further node; those in flight finish. The first reason is the one that counts."""
        self._halt.ask(reason)

    def promote(self, who: str) -> None:
        """End the pause, because `who` asked for it."""
        self._pauses.promote(who)

    def interrupt(self, reason: str) -> None:
        """Bring the nodes in flight to a safe end at once; `run` then raises CancelledError."""
        if self._running is not None:
            self._halt.interrupt(reason)
            self._running.cancel()
            self._running = None

    async def run(self) -> Outcome:
        """Roll all nodes, or as many as possible. Raises CancelledError if it is interrupted."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        self._running = asyncio.current_task()
        try:
            if await self._may_begin():
                async with self._users.watched():
                    self._failed += await Preparation(self._context, self._settled, self._halt).run()
                    if not self._halt.reason:
                        await self._roll_waves()
            outcome = self._outcome()
            await self._hooks.after_deploy(outcome, self._halt.reason)
        except asyncio.CancelledError:
            reason = self._halt.reason or "interrupted"
            self._record(DeploymentFinished(Outcome.INTERRUPTED, clock() - begun, reason))
            raise
        finally:
            for guard in self._guards.values():
                guard.cancel()
            await asyncio.gather(*self._guards.values(), return_exceptions=True)
        self._record(DeploymentFinished(outcome, clock() - begun, self._halt.reason))
        return outcome

    async def _may_begin(self) -> bool:
        """Whether the hook `before_deploy` lets the deployment begin."""
        try:
            await self._hooks.before_deploy()
        except RolloutError as error:
            self._halt.ask(f"{error}; no node was touched")
            return False
        return True

    async def _roll_waves(self) -> None:
        waiting = list(self._plan.nodes)
        for number, size in enumerate(self._plan.waves):
            wave, waiting = waiting[:size], waiting[size:]
            is_canary = number == 0 and bool(self._plan.canary)
            self._users.begin_wave()
            await self._roll_wave(wave)
            if self._failed and is_canary:
                self._halt.give_up(f"the canary {', '.join(self._failed)} failed")
            if not self._halt.reason:
                await self._judge_wave([name for name in wave if name in self._done])
            if is_canary and self._strategy.pause and waiting and not self._halt.reason:
                await self._pauses.pause(f"the canary {', '.join(wave)} is done")

    async def _roll_wave(self, nodes: Sequence[str]) -> None:
        """Keep a window of nodes in flight until all are through or the deployment is halted."""
        waiting = list(nodes)
        in_flight: dict[asyncio.Task[None], str] = {}
        try:
            while in_flight or (waiting and not self._halt.reason):
                while not self._halt.reason and not self._pauses.any and len(in_flight) < self._window():
                    name = self._order.next(waiting, in_flight.values(), self._left_out)
                    if name is None:
                        break
                    waiting.remove(name)
                    in_flight[asyncio.create_task(self._roll_node(name))] = name
                for name in waiting[:1]:
                    self._context.nodes[name].host.expect(2)  # its release and its restart
                ended, _ = await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    del in_flight[task]
                    task.result()
        finally:
            for task in in_flight:
                task.cancel()
            await asyncio.gather(*in_flight, return_exceptions=True)

    def _window(self) -> int:
        """How many nodes may be in flight; each node that failed and is left out takes a place."""
        return max(1, self._plan.window - len(self._left_out))

    async def _roll_node(self, name: str) -> None:
        clock = asyncio.get_running_loop().time
        begun = clock()
        context, taken_up = self._context.nodes[name], name in self._plan.taken_up
        turn_to_leave = functools.partial(self._gate.leaving, name)
        rotation = self._site.rotation(
            context, self._plan.placement[name], self._plan.before, taken_up=taken_up
        )
        node = NodeRoll(
            context, rotation, self._record, turn_to_leave, self._jury, self._pauses, taken_up=taken_up
        )
        try:
            await self._hooks.before_node(context)
            await node.roll(self._settled.get(name, ()))
        except (RolloutError, asyncio.CancelledError) as error:
            self._failed.append(name)
            if node.may_be_out:
                self._leave_out(name, rotation)
            self._record(NodeFailed(name, left_out=node.may_be_out))
            if isinstance(error, asyncio.CancelledError):
                raise
            self._halt_after(name, error)
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

    def _leave_out(self, name: str, rotation: Rotation) -> None:
        self._left_out.add(name)
        log = StepLog(self._record, name, Step.READY)
        self._guards[name] = asyncio.create_task(rotation.guard(log))

    def _halt_after(self, name: str, error: RolloutError) -> None:
        """Halt if the failure of a node gives a reason to."""
        if isinstance(error, NoCapacity):
            self._halt.ask(f"{name} was not taken out: {error}")
        elif isinstance(error, JudgedBad):
            self._halt.give_up(str(error), judged=True)
        elif isinstance(error, Outage | Undecided):
            self._halt.ask(f"{name} could not be judged: {error}")
        elif trouble := self._jury.trouble([name]):
            self._halt.ask(f"{name} failed, but its release is probably not the cause: {trouble}")
        elif len(self._failed) > self._strategy.max_failures:
            self._halt.give_up(f"{name} failed")

    async def _judge_wave(self, names: Sequence[str]) -> None:
        """Judge the nodes of a wave together: errors too rare to show on one node may show on several."""
        if len(names) < 2 or not self._jury.sits:
            return  # a single node was judged while it baked
        judged = await self._jury.verdict(names)
        if judged.verdict is Verdict.FAIL:
            self._halt.give_up(judged.reason, judged=True)

    def _outcome(self) -> Outcome:
        if self._failed or self._halt.gave_up or self._hooks.refused:
            return Outcome.FAILED
        return Outcome.DONE if len(self._done) == len(self._plan.nodes) else Outcome.INTERRUPTED
