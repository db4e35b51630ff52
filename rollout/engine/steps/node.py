"""The roll of one node, straight down the page: drain, release, restart, verify, ready; then bake.

`stage.py` says what happens when a roll ends early.
"""

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
from rollout.engine.steps.life import Life, still_lives, what_starts_it
from rollout.engine.steps.proof import prove
from rollout.engine.steps.put_back import put_back, what_to_do
from rollout.engine.steps.release import release, release_plan
from rollout.engine.steps.restarts import explain_all, restart_all
from rollout.engine.steps.stage import ENDINGS, Ending, Stage
from rollout.engine.users.users import Users
from rollout.engine.waiting import run_all
from rollout.errors import JudgedBad, ReleaseRefused, RolloutError, StepFailure
from rollout.restart import plan_restarts

TurnToLeave = Callable[[StepLog], AbstractAsyncContextManager[None]]
"""A context in which a node leaves rotation; entering it waits until the others can carry the traffic."""

_PROOF_TIMEOUT = 10.0
"""Seconds in which an interrupted node must prove that its application is as healthy as before."""


class NodeRoll:
    """One node on its way through the steps.

    `taken_up` says that an earlier try left the node out: nobody knows in which state its application is.
    """

    def __init__(
        self,
        context: NodeContext,
        rotation: Rotation,
        record: Recorder,
        turn_to_leave: TurnToLeave,
        users: Users,
        pauses: Pauses,
        *,
        taken_up: bool = False,
    ) -> None:
        self._context = context
        self._rotation = rotation
        self._record = record
        self._turn_to_leave = turn_to_leave
        self._jury = users.jury
        self._put_back = users.put_back
        self._pauses = pauses
        self._restarts = plan_restarts(context.inventory, context.fill)
        self._switched = False
        """Whether this roll has switched a link to the release."""
        self._life = Life()
        """That of what the last restart has started; the others are proved to live before it begins."""
        self._taken_up = taken_up
        self._stage = Stage.LEFT_OUT if taken_up else Stage.IN_ROTATION
        self._work_log = self._log(Step.RESTART if taken_up else Step.RELEASE)
        """Records an early end under the step that last touched the application, or would have."""

    @property
    def name(self) -> str:
        """The node's name."""
        return self._context.name

    @property
    def may_be_out(self) -> bool:
        """Whether the node may be out of rotation because of a deployment."""
        return self._stage.may_be_out

    @property
    def application_is_touched(self) -> bool:
        """Whether the application may be another one than before, or not run at all."""
        return self._stage >= Stage.RESTARTED

    @property
    def must_be_guarded(self) -> bool:
        """Whether this roll has taken the node out, and left it so."""
        return self._stage.may_be_out and self._stage is not Stage.LEFT_OUT

    async def roll(self, settled: Collection[Step] = ()) -> None:
        """Drain, release, restart, verify, ready. Raises RolloutError from the step that failed.

        `settled` are the steps that an earlier try finished; they are not done again.
        """
        context, rotation = self._context, self._rotation

        async with self._step(Step.DRAIN) as log, self._ending_safely(log):
            async with self._turn_to_leave(log):
                self._reach(Stage.RESTARTED if self._stage is Stage.LEFT_OUT else Stage.LEAVING)
                self._jury.left(context.name)
                await rotation.leave(log)
            await rotation.drained(log)
            self._reach(Stage.DRAINED)

        async with self._ending_safely(), self._guarded():
            plan = release_plan(context)
            if plan is not None and Step.RELEASE not in settled:
                async with self._step(Step.RELEASE) as log:
                    self._reach(Stage.RELEASED)
                    self._switched = await release(context, plan, log)

            if self._restarts and Step.RESTART not in settled:
                async with self._step(Step.RESTART) as log:
                    await rotation.still_out(log)
                    self._reach(Stage.RESTARTED)
                    self._work_log = self._log(Step.RESTART)
                    async with self._refused(log):
                        self._life = await restart_all(context, self._restarts, log, is_broken=self._taken_up)

            async with self._step(Step.VERIFY) as log, self._explained():
                lives = [still_lives(context, plan, self._life, log) for plan in self._restarts[-1:]]
                await run_all([prove(context, rotation, log), *lives])

            async with self._step(Step.READY) as log:
                await self._jury.entered(context.name)
                await rotation.enter(log)
                self._reach(Stage.ENTERED)
                await rotation.warm_up(log)
        self._reach(Stage.RETURNED)
        self._put_back.add(context)

    async def bake(self) -> None:
        """Watch the node that is back. Raises RolloutError if it does not stay well."""
        with self._put_back.baking(self._context.name):
            await self._bake()

    async def _bake(self) -> None:
        async with self._step(Step.BAKE) as log, self._ending_safely(log):
            bake = Bake(self._context, self._jury, self._put_back, self._pauses, log)
            await run_all([bake.run(), self._rotation.confirm(lambda: contextlib.nullcontext(log))])

    async def confirm(self) -> None:
        """Watch a node that does not bake until the load balancers' own first checks have confirmed what
        proved it. Raises Fallen."""
        await self._rotation.confirm(lambda: self._step(Step.READY))

    def _reach(self, stage: Stage) -> None:
        """Advance to `stage`, unless an earlier try has brought the node further already."""
        self._stage = max(self._stage, stage)

    def _step(self, which: Step) -> AbstractAsyncContextManager[StepLog]:
        return step(self._record, self._context.name, which)

    def _log(self, which: Step) -> StepLog:
        return StepLog(self._record, self._context.name, which)

    @asynccontextmanager
    async def _refused(self, log: StepLog) -> AsyncIterator[None]:
        """Put the release back that was there before, if the block finds that the application refuses the new
        one: it runs on, and must not load it later."""
        try:
            yield
        except ReleaseRefused as refused:
            back, said = await put_back(self._context, log, switched=self._switched)
            if back and not self._taken_up:
                self._stage = Stage.REFUSED
            hint = refused.hint if back else what_to_do(self._context)
            raise ReleaseRefused(f"{refused}; {said}", hint=hint, tail=refused.tail) from None

    @asynccontextmanager
    async def _explained(self) -> AsyncIterator[None]:
        """Add to a failure what the application printed last, if it was restarted: it may say why."""
        try:
            yield
        except StepFailure as failure:
            if self._stage is Stage.RESTARTED and not failure.tail:
                with contextlib.suppress(RolloutError):
                    failure.tail = await explain_all(self._context, self._restarts)
            if self._life.awaited:
                failure.hint = f"{self._life.awaited}: {what_starts_it(self._context)}"
            raise

    @asynccontextmanager
    async def _guarded(self) -> AsyncIterator[None]:
        """Run the guard during the block: no load balancer may forget that the node is out."""
        guard = asyncio.create_task(self._rotation.guard(self._log(Step.RESTART)))
        try:
            yield
        finally:
            guard.cancel()
            # The steps' own looks will find whatever the guard could not see.
            await asyncio.gather(guard, return_exceptions=True)

    @asynccontextmanager
    async def _ending_safely(self, log: StepLog | None = None) -> AsyncIterator[None]:
        """If anything ends the roll early, leave the node in a state in which no request is lost, and raise
        the error again."""
        try:
            yield
        except BaseException as error:
            await self._end(error, log or self._work_log)
            raise

    async def _end(self, error: BaseException, log: StepLog) -> None:
        match ENDINGS[self._stage]:
            case Ending.LEAVE_AS_IT_IS:
                pass
            case Ending.GIVE_BACK:
                await self._give_back_or_fail(error, log)
            case Ending.GIVE_BACK_OR_STAY_OUT:
                await self._give_back_or_stay_out(log)
            case Ending.GIVE_BACK_IF_UNCHANGED:
                if isinstance(error, asyncio.CancelledError) and await self._is_unchanged(log):
                    await self._give_back_or_stay_out(log)
                else:
                    await self._stay_out(log)
            case Ending.GIVE_BACK_IF_HEALTHY:
                if await self._is_unchanged(log):
                    await self._give_back_or_stay_out(log)
                else:
                    await self._stay_out(log)
            case Ending.STAY_OUT:
                await self._stay_out(log)
            case Ending.TAKE_OUT_IF_BAD:
                if isinstance(error, JudgedBad):
                    await self._take_out(error, log)

    async def _give_back(self, log: StepLog) -> None:
        await self._rotation.give_back(log)
        self._stage = Stage.RETURNED

    async def _give_back_or_fail(self, error: BaseException, log: StepLog) -> None:
        log.progress("putting the node back into rotation")
        try:
            await self._give_back(log)
        except RolloutError as second:
            reason = str(error) or "interrupted"
            raise StepFailure(f"{reason}; the node could not be put back into rotation: {second}") from error

    async def _give_back_or_stay_out(self, log: StepLog) -> None:
        try:
            await self._give_back(log)
        except RolloutError:
            await self._stay_out(log)

    async def _is_unchanged(self, log: StepLog) -> bool:
        """Whether the application proves in time that it is healthy with the old release."""
        previous = self._context.environment.get("ROLLOUT_PREVIOUS_RELEASE")
        before = dataclasses.replace(self._context, release=previous)
        try:
            async with asyncio.timeout(_PROOF_TIMEOUT):
                # A connection that broke may have left the command of the release running.
                await self._context.claim.settle(log.progress, returning=True)
                await prove(before, self._rotation, log)
        except (RolloutError, TimeoutError):
            return False
        return True

    async def _stay_out(self, log: StepLog) -> None:
        # A load balancer that cannot be reached now did not let the node in either.
        with contextlib.suppress(RolloutError):
            await self._rotation.stay_out(log)
        if self._rotation.given_up:
            self._stage = Stage.RETURNED

    async def _take_out(self, error: JudgedBad, log: StepLog) -> None:
        """Send no user to a release that is known to be worse, if the other nodes can carry the traffic."""
        log.progress(f"taking the node out again: {error}")
        try:
            async with self._turn_to_leave(log):
                self._reach(Stage.REJECTED)
                self._put_back.discard(self._context.name)
                await self._rotation.leave(log)
            await self._rotation.drained(log)
        except RolloutError as second:
            log.warn(f"the node could not be taken out of rotation: {second}")
