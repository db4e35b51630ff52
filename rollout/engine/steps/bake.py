"""The bake: a node that takes traffic again must stay healthy all the time, and serve users as others do."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rollout.deadline import Deadline
from rollout.decisions.health import fault
from rollout.decisions.judge import Judgement
from rollout.domain import Verdict
from rollout.engine.context import NodeContext
from rollout.engine.health_page import ask
from rollout.engine.log import StepLog
from rollout.engine.pausing import Pauses
from rollout.engine.steps.second_opinion import SecondOpinions, hearing
from rollout.engine.users.jury import Jury
from rollout.engine.users.put_back import PutBack
from rollout.errors import ChangedByOthers, Fallen, JudgedBad, Outage, RequestFailed, StepFailure, Undecided
from rollout.inventory.judge import Judge

_ASK_AGAIN = 0.25
"""Seconds until the page is asked again, at the earliest: a bake is long, and each answer costs the node."""
_SHORTEST = 0.001
"""Seconds of a pause at least: the rest of a bake may be less than the clock can tell."""
_PATIENCE = 900.0
"""Seconds to wait for a problem of all nodes to end."""
_UNDECIDED = (
    "the release is not blamed, and the node keeps serving; once the cause is fixed, continue with `rollout"
    " resume`. `judge: {undecided: go-on}` continues without an answer"
)


class Bake:
    """The bake of one node. It starts over after a problem that other nodes had as well."""

    def __init__(
        self, context: NodeContext, jury: Jury, put_back: PutBack, pauses: Pauses, log: StepLog
    ) -> None:
        self._context = context
        self._name = context.name
        self._jury = jury
        self._put_back = put_back
        self._pauses = pauses
        self._log = log
        strategy = context.inventory.strategy
        self._seconds = strategy.bake_seconds
        # Nobody is judged by a bake that nobody asked for: it only has to stay healthy.
        wanted = strategy.judge if strategy.bake_asked_for else None
        self._judge = wanted if isinstance(wanted, Judge) else None
        self._pace = min(1.0, max(0.1, self._seconds / 10))
        self._clock = asyncio.get_running_loop().time
        self._next_ask = self._next_look = self._half_over = 0.0

    async def run(self) -> None:
        """Bake the node.

        Raises JudgedBad, StepFailure, ChangedByOthers, Undecided, and Outage if a problem of all nodes does
        not end.
        """
        try:
            while trouble := await self._trouble():
                if not await self._waited_out(trouble):
                    self._log.detail = "not judged: other nodes had a problem as well"
                    return
        finally:
            self._jury.bake_ended(self._name)

    async def _trouble(self) -> str:
        """Bake the node once. Returns early with a problem that all nodes have."""
        settings = None if self._jury.knows_the_release else self._judge
        async with hearing(self._context, settings, self._seconds, self._log) as opinions:
            await self._jury.bake_begins(self._name)
            end = self._clock() + self._seconds
            self._half_over = end - self._seconds / 2
            return (
                await self._trouble_until(lambda: self._clock() >= end, opinions, end)
                or await self._trouble_at_the_verdict()
                or await self._trouble_at_the_last_word(opinions)
            )

    async def _trouble_until(
        self, over: Callable[[], bool], opinions: SecondOpinions, end: float = math.inf
    ) -> str:
        """Watch the node until it is `over`, at `end` at the latest. Returns early with a problem that all
        nodes have.

        Raises StepFailure, ChangedByOthers, JudgedBad.
        """
        health = self._context.inventory.health
        while not over():
            wrong = await self._fault()
            judged = await self._early_judgement(now=bool(wrong))
            if judged.verdict is Verdict.EVERYWHERE:
                return judged.reason
            bad = opinions.bad
            if isinstance(wrong, ChangedByOthers):
                raise wrong
            if (wrong or bad) and (trouble := self._jury.trouble([self._name])):
                return trouble
            if wrong:
                raise wrong
            if bad:
                raise bad
            if judged.verdict is Verdict.FAIL:
                self._log.judged(judged)
                raise JudgedBad(judged.reason)
            pause = health.interval if health else self._pace
            await asyncio.sleep(min(pause, self._pace, max(_SHORTEST, end - self._clock())))
        return ""

    async def _fault(self) -> StepFailure | None:
        """The node's fault by HAProxy's check, or, once in a while, by its own health page; `None` if there
        is none."""
        if failure := self._put_back.failure(self._name):
            return failure
        health = self._context.inventory.health
        if health is None or self._clock() < self._next_ask:
            return None
        self._next_ask = self._clock() + min(self._pace, _ASK_AGAIN)
        try:
            wrong = fault(await ask(self._context, health), health, self._context.release)
        except RequestFailed as error:
            wrong = str(error)
        if not wrong:
            return None
        wrong = f"{self._context.fill(health.http)} did not stay healthy: {wrong}"
        page_decides = not self._context.inventory.load_balancers
        return Fallen(wrong) if page_decides else StepFailure(wrong)

    async def _early_judgement(self, *, now: bool) -> Judgement:
        """The jury's judgement so far, once in a while, or `now`.

        Slow answers count when half of the bake is over: a good release may give them at first.
        """
        if self._clock() < self._next_look and not now:
            return Judgement(Verdict.UNDECIDED)
        self._next_look = self._clock() + self._pace
        judged = await self._jury.look(self._name, times=self._clock() >= self._half_over)
        if judged.verdict is Verdict.UNDECIDED:
            self._log.progress(judged.reason)
        return judged

    async def _trouble_at_the_verdict(self) -> str:
        """Judge the node that has baked. With too few requests, wait for more.

        Returns a problem that all nodes have, else an empty text. Raises JudgedBad.
        """
        settings = self._judge
        if settings is None or not self._jury.sits:
            return ""
        wait = self._seconds if settings.wait is None else settings.wait
        deadline = Deadline(wait)
        while (judged := await self._jury.verdict([self._name])).verdict is Verdict.UNDECIDED:
            if deadline.passed:
                break
            self._log.progress(f"too few requests to judge the release: {judged.reason}")
            await asyncio.sleep(self._pace)
        self._log.judged(judged)
        match judged.verdict:
            case Verdict.FAIL:
                raise JudgedBad(judged.reason)
            case Verdict.EVERYWHERE:
                return judged.reason
            case Verdict.UNDECIDED if settings.undecided == "ask":
                await self._pauses.pause(f"too few requests to judge the release: {judged.reason}")
            case Verdict.UNDECIDED:
                self._log.detail = f"not judged: {judged.reason}"
            case Verdict.PASS:
                self._log.detail = judged.reason
        return ""

    async def _trouble_at_the_last_word(self, opinions: SecondOpinions) -> str:
        """Ask once more for each opinion on the node that has baked, and watch it until all have decided.

        Returns a problem that all nodes have, else an empty text. Raises JudgedBad, StepFailure, Undecided.
        """
        opinions.bake_is_over()
        trouble = await self._trouble_until(lambda: opinions.decided and not opinions.bad, opinions)
        if trouble or self._judge is None or not (why := opinions.unanswered):
            return trouble
        match self._judge.undecided:
            case "ask":
                await self._pauses.pause(f"the release cannot be judged: {why}")
            case "go-on":
                self._log.warn(f"the release is not judged by all that should: {why}")
            case None:
                raise Undecided(why, hint=_UNDECIDED)
        return ""

    async def _waited_out(self, trouble: str) -> bool:
        """Wait for the end of a problem of all nodes. False if somebody promotes the deployment first."""
        over = asyncio.Event()
        async with self._watching_for_the_end(over):
            try:
                async with asyncio.timeout(_PATIENCE):
                    return await self._pauses.pause(trouble, over)
            except TimeoutError:
                raise Outage(
                    f"all nodes have been failing for {_PATIENCE / 60:.0f} minutes: {trouble}",
                    hint="the release is probably not the cause; once the cause is fixed, continue with "
                    "`rollout resume`",
                ) from None

    @asynccontextmanager
    async def _watching_for_the_end(self, over: asyncio.Event) -> AsyncIterator[None]:
        """Set `over` once the other nodes have no problem any more."""

        async def look() -> None:
            while True:
                await asyncio.sleep(self._pace)
                await self._jury.look(self._name)
                if not self._jury.trouble([self._name]):
                    over.set()

        task = asyncio.create_task(look())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
