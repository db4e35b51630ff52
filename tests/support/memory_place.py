"""A place in memory, which can be away, be silent, or lose an answer: for simulation and for tests of what
uses a place. It keeps the same contract as the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from rollout.domain import LockHolder, LockRequests, LockState, Publication, Shared
from rollout.errors import FactsMissing, LockLost

T = TypeVar("T")


@dataclass
class Stored:
    """What lies at a place, whoever looks at it."""

    holder: LockHolder | None = None
    last: LockHolder | None = None
    """Who released the lock last, until somebody takes it again."""
    sign: float = 0.0
    """When the holder's last sign of life came, on the place's clock."""
    epoch: int = 0
    halt: str = ""
    promote: str = ""
    memory: str = ""
    facts: dict[int, list[str]] = field(default_factory=dict)
    summaries: dict[int, str] = field(default_factory=dict)


class MemoryPlace:
    """Implements `Place`: one deployer's way to what is `stored`.

    `before` and `after` are awaited around each exchange: they may wait, or raise PlaceError, which after the
    exchange means that only its answer was lost.
    """

    def __init__(
        self,
        stored: Stored,
        clock: Callable[[], float] = time.monotonic,
        before: Callable[[], Awaitable[None]] | None = None,
        after: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.stored = stored
        self._clock = clock
        self._before = before
        self._after = after

    @property
    def where(self) -> str:
        return "memory"

    async def take(self, holder: LockHolder, *, over: str = "", above: int = 0) -> int | None:
        return await self._exchange(lambda: self._take(holder, over, above))

    def _take(self, holder: LockHolder, over: str, above: int) -> int | None:
        stored = self.stored
        if self._is_held_by(holder):
            return stored.epoch
        if stored.holder is not None and stored.holder.token != over:
            return None
        stored.holder, stored.last = holder, None
        stored.sign, stored.halt, stored.promote = self._clock(), "", ""
        stored.epoch = max(stored.epoch, above) + 1
        return stored.epoch

    async def held(self) -> LockState | None:
        return await self._exchange(self._held)

    def _held(self) -> LockState | None:
        stored = self.stored
        if stored.holder is None:
            return None
        return LockState(stored.holder, self._clock() - stored.sign, stored.epoch)

    async def beat(self, holder: LockHolder) -> LockRequests:
        return await self._exchange(lambda: self._beat(holder))

    def _beat(self, holder: LockHolder) -> LockRequests:
        self._require(holder)
        stored = self.stored
        asked = LockRequests(stored.halt, stored.promote)
        stored.sign, stored.promote = self._clock(), ""
        return asked

    async def ask(self, request: Literal["halt", "promote"], who: str) -> bool:
        def ask() -> bool:
            if self.stored.holder is not None:
                setattr(self.stored, request, who)
            return self.stored.holder is not None

        return await self._exchange(ask)

    async def drop(self, holder: LockHolder) -> None:
        def drop() -> None:
            if self._is_held_by(holder):
                self.stored.holder, self.stored.last = None, holder

        await self._exchange(drop)

    async def look(
        self, number: int = 0, known: int = 0, *, latest: int | None = 1, also: Collection[int] = ()
    ) -> Shared:
        def look() -> Shared:
            stored = self.stored
            there = sorted(stored.facts)
            shown = [one for one in there if one in also or latest is None or one in there[-latest:]]
            counts = {one: len(stored.facts[one]) for one in shown}
            summaries = {one: stored.summaries[one] for one in shown if stored.summaries.get(one)}
            last = max(there, default=0)
            facts = stored.facts.get(last, [])[known if last == number else 0 :]
            return Shared(self._held(), stored.memory, len(there), counts, summaries, tuple(facts))

        return await self._exchange(look)

    async def numbers(self) -> Sequence[int]:
        return await self._exchange(lambda: sorted(self.stored.facts))

    async def facts(self, number: int) -> Sequence[str]:
        return await self._exchange(lambda: tuple(self.stored.facts.get(number, ())))

    async def publish(self, holder: LockHolder, epoch: int, published: Publication) -> None:
        await self._exchange(lambda: self._publish(holder, epoch, published))

    def _publish(self, holder: LockHolder, epoch: int, published: Publication) -> None:
        self._require(holder)
        if epoch != self.stored.epoch:
            raise LockLost("the lock in memory is lost: this is an earlier epoch")
        facts = self.stored.facts.setdefault(published.deployment, [])
        skip = len(facts) - published.after
        if skip < 0:
            raise FactsMissing(len(facts))
        facts += published.facts[skip:]
        if published.memory is not None:
            self.stored.memory = published.memory
        if published.summary is not None:
            self.stored.summaries[published.deployment] = published.summary

    async def prune(self, holder: LockHolder, numbers: Collection[int]) -> None:
        def prune() -> None:
            if self._is_held_by(holder):
                for number in numbers:
                    self.stored.facts.pop(number, None)
                    self.stored.summaries.pop(number, None)

        await self._exchange(prune)

    async def changes(self, pace: float, *, facts: bool) -> AsyncGenerator[bool, None]:
        while True:
            await asyncio.sleep(pace)
            yield True

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    async def _exchange(self, act: Callable[[], T]) -> T:
        if self._before is not None:
            await self._before()
        done = act()
        if self._after is not None:
            await self._after()
        return done

    def _is_held_by(self, holder: LockHolder) -> bool:
        return self.stored.holder is not None and self.stored.holder.token == holder.token

    def _require(self, holder: LockHolder) -> None:
        if not self._is_held_by(holder):
            other = self.stored.holder or self.stored.last
            who = f"{other} took over" if other and other.token != holder.token else "somebody broke it"
            raise LockLost(f"the lock in memory is lost: {who}")
