"""Second opinions on a release: a Prometheus query and a command, asked all through a node's bake."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlencode

from rollout.deadline import look
from rollout.decisions.opinion import UNANSWERED, Kind, Replies, Reply, of_command
from rollout.decisions.prometheus import of_prometheus
from rollout.domain import Verdict
from rollout.engine.context import NodeContext, first_line
from rollout.engine.log import StepLog
from rollout.errors import JudgedBad, RolloutError
from rollout.inventory.judge import Judge, JudgeCommand, Prometheus

_EVERY = 10.0
"""Seconds from one question to the next, where the inventory does not say."""
_TIMES = 3
"""How often a bake is asked about that is too short for that…"""
_SELDOM = 1.0
"""…but so many seconds are left between two questions."""
_ANSWER = 10.0
"""Seconds for Prometheus to answer."""


class Opinion(ABC):
    """One that is asked about a node, and its verdict as soon as there is one."""

    source: str
    asked_meanwhile = True
    """Whether it is asked before the bake is over."""

    def __init__(
        self, context: NodeContext, settings: Prometheus | JudgeCommand, log: StepLog, pace: float
    ) -> None:
        """`pace` is in seconds from one question to the next, where `settings` do not say."""
        self._context = context
        self._settings = settings
        self._log = log
        self._pace = settings.every or pace
        self.replies = Replies()
        self.verdict: Verdict | None = None

    @property
    def decides(self) -> bool:
        """Whether its verdict counts. That of a shadow is only shown."""
        return not self._settings.shadow

    @abstractmethod
    async def ask(self) -> Reply:
        """Ask once. Raises RolloutError if no answer comes."""

    async def hear(self, baked: asyncio.Event) -> None:
        """Ask until there is a verdict. `baked` is set when the bake is over."""
        over = False
        while self.verdict is None:
            if over:
                await asyncio.sleep(self._pace)
            else:
                await _set(baked, self._pace if self.asked_meanwhile else None)
            over = baked.is_set()
            self._note(await self._asked(), over=over)

    async def _asked(self) -> Reply:
        try:
            return await look(self.ask)
        except RolloutError as error:
            return Reply(Kind.NONE, str(error))

    def _note(self, reply: Reply, *, over: bool) -> None:
        last, shadow = self.replies.last, self._settings.shadow
        if last is None or reply.kind is Kind.BAD or reply.kind is not last.kind:
            self._log.opinion(self.source, reply.kind, reply.reason, shadow=shadow)
        self.replies = self.replies.after(reply)
        self.verdict = self.replies.verdict(self._settings.bad, baked=over)
        if shadow and over:
            self.verdict = self.verdict or Verdict.UNDECIDED  # nobody waits for a shadow
        if shadow and self.verdict:
            self._tell(self.verdict)

    def _tell(self, verdict: Verdict) -> None:
        """Say what a shadow would have decided."""
        match verdict:
            case Verdict.PASS:
                self._log.add(f"{self.source} would have passed it")
            case Verdict.FAIL:
                self._log.warn(f"{self.source} would have judged the release bad: {self.replies.reason}")
            case _:
                self._log.warn(f"{self.source} would have been undecided: {self.replies.reason}")


class PrometheusOpinion(Opinion):
    """The opinion of a Prometheus query."""

    source = "prometheus"

    def __init__(self, context: NodeContext, settings: Prometheus, log: StepLog, pace: float) -> None:
        super().__init__(context, settings, log, pace)
        self._query = context.fill(settings.query)
        self._url = f"{settings.url.rstrip('/')}/api/v1/query?{urlencode({'query': self._query})}"
        self._largest = settings.max

    async def ask(self) -> Reply:
        if self.replies.last is None:
            self._log.sent(self.source, self._query)
        answer = await self._context.public.request("GET", self._url, timeout=_ANSWER)
        return of_prometheus(self._query, self._largest, answer)


class CommandOpinion(Opinion):
    """The opinion of a shell line on this machine, by its exit status."""

    source = "command"

    def __init__(self, context: NodeContext, settings: JudgeCommand, log: StepLog, pace: float) -> None:
        super().__init__(context, settings, log, pace)
        self._line, self._timeout = settings.command, settings.timeout
        self.asked_meanwhile = settings.every is not None

    async def ask(self) -> Reply:
        self._log.sent("this machine", self._line)
        completed = await self._context.here.run(
            self._line,
            environment=self._context.environment,
            timeout=self._timeout,
            output=self._log.output,
        )
        return of_command(first_line(self._line), completed)


class SecondOpinions:
    """The opinions on one node that `hearing` asks for."""

    def __init__(
        self, opinions: Sequence[Opinion], tasks: Sequence[asyncio.Task[None]], baked: asyncio.Event
    ) -> None:
        self._opinions = opinions
        self._tasks = tasks
        self._baked = baked

    def bake_is_over(self) -> None:
        """Ask each for its last word."""
        self._baked.set()

    @property
    def decided(self) -> bool:
        """Whether each has its verdict."""
        return all(opinion.verdict for opinion in self._opinions)

    @property
    def bad(self) -> JudgedBad | None:
        """The reason why the release is bad, if one of them says so."""
        for task in self._tasks:
            if task.done():
                task.result()
        for opinion in self._having(Verdict.FAIL):
            return JudgedBad(f"{opinion.source}: {opinion.replies.reason}", tail=opinion.replies.tail)
        return None

    @property
    def unanswered(self) -> str:
        """The reason why the release cannot be judged; empty if it can."""
        return "; ".join(
            f"{opinion.source} gave no answer {UNANSWERED} times in a row: {opinion.replies.reason}"
            for opinion in self._having(Verdict.UNDECIDED)
        )

    def _having(self, verdict: Verdict) -> list[Opinion]:
        return [opinion for opinion in self._opinions if opinion.decides and opinion.verdict is verdict]


@asynccontextmanager
async def hearing(
    context: NodeContext, settings: Judge | None, bake: float, log: StepLog
) -> AsyncIterator[SecondOpinions]:
    """Ask for the opinions that `settings` name, as long as the block lasts. `bake` is in seconds."""
    pace = min(_EVERY, max(_SELDOM, bake / _TIMES))
    baked = asyncio.Event()
    opinions: list[Opinion] = []
    if settings is not None and settings.prometheus is not None:
        opinions.append(PrometheusOpinion(context, settings.prometheus, log, pace))
    if settings is not None and (command := settings.command) is not None:
        if isinstance(command, str):
            command = JudgeCommand(command=command)
        opinions.append(CommandOpinion(context, command, log, pace))
    tasks = [asyncio.create_task(opinion.hear(baked)) for opinion in opinions]
    try:
        yield SecondOpinions(opinions, tasks, baked)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _set(event: asyncio.Event, timeout: float | None) -> None:
    """Wait until the event is set, or for that many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await event.wait()
