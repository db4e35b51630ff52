"""The way of one node, straight down the page."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from rollout.domain import Step
from rollout.engine.context import NodeContext
from rollout.engine.log import Recorder, StepLog, step
from rollout.engine.pausing import Pauses
from rollout.engine.rotation.protocol import Rotation
from rollout.engine.steps.bake import Bake
from rollout.engine.steps.proof import prove
from rollout.engine.steps.release import release, release_plan
from rollout.engine.steps.restart import explanation, restart
from rollout.engine.users.jury import Jury
from rollout.errors import JudgedBad, RolloutError, StepFailure
from rollout.restart import plan_restart

Gate = Callable[[StepLog], AbstractAsyncContextManager[None]]
"""Held while a node leaves: only one does at a time, and only while the others can carry the traffic."""

_AT_ONCE = 10.0
"""Seconds in which a node that was interrupted must prove that its application still runs as before."""


class NodeRoll:
    """One node on its way. `out` is true from the moment that it may be out of rotation.

    `taken_up` says that an earlier try left it out: nobody knows then how its application is.
    """

    def __init__(
        self,
        context: NodeContext,
        rotation: Rotation,
        record: Recorder,
        gate: Gate,
        jury: Jury,
        pauses: Pauses,
        *,
        taken_up: bool = False,
    ) -> None:
        self._context = context
        self._rotation = rotation
        self._record = record
        self._gate = gate
        self._jury = jury
        self._pauses = pauses
        self._restarting = plan_restart(context.inventory.restart, context.fill)
        self._left = False
        self._untouched = not taken_up
        self._restarted = taken_up
        self._entered = False
        self.out = taken_up

    async def roll(self, settled: Collection[Step] = ()) -> None:
        """Drain, release, restart, verify, ready, bake. Raises RolloutError from the step that failed.

        `settled` steps were done in an earlier try, and are not done again.
        """
        context, rotation, inventory = self._context, self._rotation, self._context.inventory

        async with self._step(Step.DRAIN) as log, self._given_back_on_failure(log):
            async with self._gate(log):
                self.out = self._left = True
                self._jury.left(context.name)
                await rotation.leave(log)
            await rotation.drained(log)

        async with self._safe_on_failure(), self._guarded():
            plan = release_plan(context)
            if plan is not None and Step.RELEASE not in settled:
                async with self._step(Step.RELEASE) as log:
                    self._untouched = False
                    await release(context, plan, log)

            if inventory.restart != "none" and Step.RESTART not in settled:
                async with self._step(Step.RESTART) as log:
                    await rotation.still_out(log)
                    self._untouched, self._restarted = False, True
                    await restart(context, self._restarting, log)

            async with self._step(Step.VERIFY) as log, self._explained():
                await prove(context, rotation, log)

            async with self._step(Step.READY) as log:
                await self._jury.entered(context.name)
                await rotation.enter(log)
                self._entered = True
                await rotation.warm_up(log)
                self.out = False

        if inventory.strategy.bake > 0:
            async with self._step(Step.BAKE) as log, self._out_if_judged_bad(log):
                await Bake(context, self._jury, self._pauses, log).run()

    def _step(self, which: Step) -> AbstractAsyncContextManager[StepLog]:
        return step(self._record, self._context.name, which)

    @asynccontextmanager
    async def _explained(self) -> AsyncIterator[None]:
        """Why an application that was restarted is not healthy, the application itself may say."""
        try:
            yield
        except StepFailure as failure:
            if self._restarted and not failure.tail:
                with contextlib.suppress(RolloutError):
                    failure.tail = await explanation(self._context, self._restarting)
            raise

    @asynccontextmanager
    async def _given_back_on_failure(self, log: StepLog) -> AsyncIterator[None]:
        """A node whose application was not touched goes back as it was, whatever ended its drain."""
        try:
            yield
        except BaseException as error:
            if self._left and self._untouched:
                log.progress("is put back into rotation")
                try:
                    await self._give_back(log)
                except RolloutError as second:
                    raise StepFailure(
                        f"{str(error) or 'interrupted'}; it could not be put back: {second}"
                    ) from error
            elif self._left:
                await self._hold(log)
            raise

    @asynccontextmanager
    async def _out_if_judged_bad(self, log: StepLog) -> AsyncIterator[None]:
        """No user is sent to a release that is known to be worse, if the others can carry the traffic."""
        try:
            yield
        except JudgedBad as error:
            log.progress(f"is taken out: {error}")
            try:
                async with self._gate(log):
                    self.out = True
                    await self._rotation.leave(log)
                await self._rotation.drained(log)
            except RolloutError as second:
                log.warn(f"it is not out of rotation: {second}")
            raise

    @asynccontextmanager
    async def _guarded(self) -> AsyncIterator[None]:
        """While this node is worked on, no load balancer may forget that it is out."""
        log = StepLog(self._record, self._context.name, Step.RESTART)
        guard = asyncio.create_task(self._rotation.guard(log))
        try:
            yield
        finally:
            guard.cancel()
            # What the guard could not see, the steps' own looks will tell.
            await asyncio.gather(guard, return_exceptions=True)

    @asynccontextmanager
    async def _safe_on_failure(self) -> AsyncIterator[None]:
        """A drained node ends where no request is lost: back if it is proven, else out."""
        try:
            yield
        except BaseException as error:
            log = StepLog(self._record, self._context.name, Step.RESTART if self._restarted else Step.RELEASE)
            interrupted = isinstance(error, asyncio.CancelledError) and not self._restarted
            if not (self._untouched or interrupted or self._entered) or not await self._is_back(log):
                await self._hold(log)
            raise

    async def _is_back(self, log: StepLog) -> bool:
        """Give it back. Where its release was touched, its application must first be as right as before; one
        that is back already only gets all of its share."""
        previous = self._context.environment.get("ROLLOUT_PREVIOUS_RELEASE")
        before = dataclasses.replace(self._context, release=previous)
        try:
            if not (self._untouched or self._entered):
                async with asyncio.timeout(_AT_ONCE):
                    await prove(before, self._rotation, log)
            await self._give_back(log)
        except (RolloutError, TimeoutError):
            return False
        return True

    async def _give_back(self, log: StepLog) -> None:
        await self._rotation.give_back(log)
        self.out = False

    async def _hold(self, log: StepLog) -> None:
        # Where a load balancer cannot be told, it has not been told to let the node in either.
        with contextlib.suppress(RolloutError):
            await self._rotation.stay_out(log)
        self.out = not self._rotation.given_up
