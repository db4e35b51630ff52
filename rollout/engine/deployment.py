"""A deployment, from top to bottom: all nodes are prepared, then rolled wave after wave in a sliding window.

The halt (`halt.py`) ends it early: each loop looks at it before it starts something new.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rollout.decisions.order import Order, Waiting
from rollout.decisions.plan import Plan
from rollout.domain import Outcome, Server, ServerBefore, Step, Verdict
from rollout.engine.aftercare import Aftercare
from rollout.engine.deployment_context import DeploymentContext
from rollout.engine.failures import Failures
from rollout.engine.gate import Gate
from rollout.engine.halt import Halt
from rollout.engine.hooks import Hooks
from rollout.engine.log import Recorder, StepLog
from rollout.engine.pausing import Pauses
from rollout.engine.places import Places
from rollout.engine.preparation import Preparation
from rollout.engine.rotation.protocol import Rotation
from rollout.engine.site import Site
from rollout.engine.steps.node import NodeRoll
from rollout.engine.users.users import Users
from rollout.errors import (
    Fallen,
    RolloutError,
)
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
        put_back: Mapping[str, Mapping[Server, ServerBefore]] | None = None,
        masked: Callable[[str], str] = str,
    ) -> None:
        """By the node's name: `previous` are the releases that nodes ran before, `settled` the steps that an
        earlier try finished, and `put_back` the nodes that it put back, with how their servers were before.
        `masked` hides the values in a text that hooks must not show."""
        self._site = site
        self._places = places = Places(site.inventory, plan, record)
        # From here on, the plan follows what becomes of the load balancers.
        self._plan = plan = dataclasses.replace(plan, placement=places.placement, before=places.before)
        self._record = record
        self._strategy = site.inventory.strategy
        self._settled = settled or {}
        self._pauses = Pauses(record)
        self._halt = Halt(record, self._pauses)
        self._context = DeploymentContext(site, plan, number, previous, record)
        self._order = Order.of(site.inventory)
        self._hooks = Hooks(self._context, masked)
        self._users = Users(self._context, self._halt)
        self._jury = self._users.jury
        self._aftercare = Aftercare(site, self._users.put_back, self._halt, record, self._fail)
        look_back, is_back = self._aftercare.look, self._users.put_back.has
        self._gate = Gate(site, places, self._halt, look_back, is_back, allow_outage=allow_outage)
        for name, before in (put_back or {}).items():
            self._users.put_back.add(self._context.of(name), before)
        self._failures = Failures(self._halt, self._jury, self._strategy.max_failures)
        self._done: list[str] = []
        self._failed: list[str] = []
        self._out: set[str] = set()
        """The nodes that failed and are out of rotation."""
        self._in_flight: dict[asyncio.Task[None], NodeRoll] = {}
        self._given_up: set[str] = set()
        """The nodes whose roll was ended early because the deployment is wound up."""
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

    def wind_up(self, reason: str) -> None:
        """Start no further node, and end the roll of those that were not restarted yet: they return. Those
        that were get `strategy.grace` to finish; then they are brought to a safe end, as by `interrupt`."""
        self._halt.ask(reason)
        for task, node in self._in_flight.items():
            if not node.application_is_touched:
                self._given_up.add(node.name)
                task.cancel()
        grace = self._strategy.grace
        late = f"not all nodes have finished within {grace:g} s: bringing them to a safe end at once"
        asyncio.get_running_loop().call_later(grace, self.interrupt, late)

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
                async with self._users.watched(), self._aftercare.watching():
                    self._failed += await Preparation(self._context, self._settled, self._halt).run()
                    if not self._halt.reason:
                        await self._roll_waves()
                        await self._aftercare.look_at_the_end()
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
            async with self._aftercare.baking():
                await self._roll_wave(wave)
            if self._failed and is_canary:
                self._halt.give_up(f"the canary {', '.join(self._failed)} failed")
            if not self._halt.reason:
                done = frozenset(self._done)
                await self._judge_wave([name for name in wave if name in done])
            if is_canary and self._strategy.pause and waiting and not self._halt.reason:
                await self._pauses.pause(f"the canary {', '.join(wave)} is done")

    async def _roll_wave(self, nodes: Sequence[str]) -> None:
        """Keep a window of nodes in flight until all are through or the deployment is halted."""
        waiting = Waiting(self._order, nodes)
        in_flight: dict[asyncio.Task[None], str] = {}
        try:
            while in_flight or (waiting and not self._halt.reason):
                if not in_flight:
                    await self._pauses.over()  # for a node that bakes
                while not self._halt.reason and not self._pauses.any and len(in_flight) < self._window():
                    name = waiting.next(in_flight.values(), self._out)
                    if name is None:
                        break
                    waiting.take(name)
                    in_flight[asyncio.create_task(self._roll_node(name))] = name
                if (name := waiting.next(in_flight.values(), self._out)) is not None:
                    self._context.nodes[name].host.expect(2)  # its release and its restart
                if in_flight:
                    ended, _ = await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                    for task in ended:
                        if in_flight.pop(task) not in self._given_up:
                            task.result()
        finally:
            for task in in_flight:
                task.cancel()
            await asyncio.gather(*in_flight, return_exceptions=True)

    def _window(self) -> int:
        """How many nodes may be in flight; each node that failed and is out takes a place."""
        return max(1, self._plan.window - len(self._out))

    async def _roll_node(self, name: str) -> None:
        """Roll a node until another one may start in its place."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        context, taken_up = self._context.nodes[name], name in self._plan.taken_up
        turn_to_leave = functools.partial(self._gate.leaving, name)
        rotation = self._site.rotation(
            context, self._plan.placement[name], self._plan.before, taken_up=taken_up, places=self._places
        )
        node = NodeRoll(
            context, rotation, self._record, turn_to_leave, self._users, self._pauses, taken_up=taken_up
        )
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is a coroutine
        self._in_flight[task] = node
        context.host.expect(2)
        try:
            await self._hooks.before_node(context)
            await node.roll(self._settled.get(name, ()))
            if self._strategy.bake_asked_for:
                await node.bake()
        except (RolloutError, asyncio.CancelledError) as error:
            if node.must_be_guarded:
                self._guard(name, rotation)
            self._fail(name, error, left_out=rotation if node.may_be_out else None)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            try:
                await self._hooks.after_node(context)
            except asyncio.CancelledError:
                self._finish(name, clock() - begun)
                raise
            self._follow(name, node, clock() - begun)
        finally:
            del self._in_flight[task]
            self._gate.ended(name, left_out=name in self._out)
            if not node.may_be_out:
                self._jury.passed(name)

    def _follow(self, name: str, node: NodeRoll, seconds: float) -> None:
        """Finish a node that is back, once it has baked. Where nobody asked for that, others go on."""
        if self._strategy.bake is None and self._aftercare.has_something_to_see:
            self._aftercare.bake(self._bake(name, node, seconds))
        else:
            self._finish(name, seconds)
            if not self._strategy.bake_asked_for:
                self._aftercare.follow(self._confirm(name, node))

    async def _bake(self, name: str, node: NodeRoll, seconds: float) -> None:
        """Bake a node whose place in the window is another one's by now, after a roll of `seconds`."""
        try:
            await node.bake()
        except (RolloutError, asyncio.CancelledError) as error:
            self._fail(name, error)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            self._finish(name, seconds)

    async def _confirm(self, name: str, node: NodeRoll) -> None:
        """Watch a node that does not bake, for as long as others are rolled."""
        try:
            await node.confirm()
        except RolloutError as error:
            self._fail(name, error)

    def _finish(self, name: str, seconds: float) -> None:
        if name not in self._failed:  # while its hook ran
            self._done.append(name)
            self._record(NodeFinished(name, seconds))

    def _fail(self, name: str, error: BaseException, *, left_out: Rotation | None = None) -> None:
        """Note that a node failed, and halt if that is a reason to. `left_out` is the rotation that keeps it
        out."""
        if name not in self._given_up or left_out is not None:
            self._failed.append(name)
        self._aftercare.note_failure(name, error)
        if left_out is not None or isinstance(error, Fallen):
            self._out.add(name)
            self._gate.ended(name, left_out=True)
        forgotten_by = () if left_out is None else tuple(left_out.forgotten_by)
        self._record(NodeFailed(name, left_out=left_out is not None, forgotten_by=forgotten_by))
        if isinstance(error, RolloutError):
            self._failures.halt_after(name, error, len(self._failed))

    def _guard(self, name: str, rotation: Rotation) -> None:
        log = StepLog(self._record, name, Step.READY)
        self._guards[name] = asyncio.create_task(rotation.guard(log))

    async def _judge_wave(self, names: Sequence[str]) -> None:
        """Judge the nodes of a wave together: errors too rare to show on one node may show on several."""
        if len(names) < 2 or not self._jury.sits:
            return  # a single node was judged while it baked
        judged = await self._jury.verdict(names)
        self._record(judged.of(names))
        if judged.verdict is Verdict.FAIL:
            self._halt.give_up(judged.reason, judged=True)

    def _outcome(self) -> Outcome:
        if self._failed or self._halt.gave_up or self._hooks.refused:
            return Outcome.FAILED
        return Outcome.DONE if len(self._done) == len(self._plan.nodes) else Outcome.INTERRUPTED
