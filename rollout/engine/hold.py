"""The hold on a service's lock: taken before the service is touched, kept by signs of life, and made sure of
before each touch."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from rollout.deadline import Deadline
from rollout.domain import LockHolder, LockState
from rollout.errors import LockLost, PlaceError, Refused
from rollout.ports import Place

_BEAT = 2.0
"""Seconds between two signs of life."""
_ABANDONED = 30.0
"""Seconds without a sign of life after which a lock counts as left behind."""
_SURE = 20.0
"""Seconds since the last sign of life for which nobody can have taken the lock over: the holder's clock and
the place's may run differently, and an action takes a moment."""
_ASKING = 2.0
"""Seconds that an action waits for a place that does not answer, while the holder can be sure without it."""
_LOOK_AGAIN = 0.5
"""Seconds between two tries to take a lock that somebody else holds, or to reach the place."""

IsDead = Callable[[LockHolder], bool]
"""Whether the process of a lock's holder is known to be dead, however recent its last sign of life is."""


def with_sleep() -> float:
    """Seconds on a clock that also goes on while the machine sleeps, where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def is_abandoned(state: LockState) -> bool:
    """Whether the holder has been silent for so long that it must have crashed."""
    return state.silent > _ABANDONED


class Hold:
    """One holder's hold on the lock at `place`.

    `halt` is called with the reason when somebody asks the holder to halt, when the lock is lost, or when no
    sign of life has arrived for `patience` seconds; `promote` with the name of whoever asks the holder to
    continue.
    """

    def __init__(
        self,
        place: Place,
        holder: LockHolder,
        *,
        patience: float,
        halt: Callable[[str], None],
        promote: Callable[[str], None],
        clock: Callable[[], float] = with_sleep,
    ) -> None:
        self.holder = holder
        self.epoch = 0
        """The epoch in which the lock was taken."""
        self.lost: LockLost | None = None
        """The reason why the lock is not held any more."""
        self._place = place
        self._patience = patience
        self._halt = halt
        self._promote = promote
        self._clock = clock
        self._last_sign = clock()
        self._giving = asyncio.Lock()

    @asynccontextmanager
    async def taken(self, *, wait: float, above: int, is_dead: IsDead) -> AsyncIterator[None]:
        """The lock, in an epoch above `above`; while somebody else has it, wait for up to `wait` seconds.

        Raises Refused if somebody else still has it then, PlaceError.
        """
        await self._take(wait, above, is_dead)
        beating = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            # A lock left behind is soon taken over, so nobody waits long for a place that is silent already.
            with contextlib.suppress(PlaceError, TimeoutError):
                async with asyncio.timeout(_ASKING if self.silent > 2 * _BEAT else None):
                    await self._place.drop(self.holder)

    @property
    def silent(self) -> float:
        """Seconds since the last sign of life that arrived."""
        return self._clock() - self._last_sign

    async def require(self) -> None:
        """Return once it is certain that nobody has taken the lock over.

        Raises LockLost, and PlaceError after `patience` seconds in which it could not be made certain.
        """
        deadline = Deadline(self._patience)
        while self._unsure():
            try:
                async with asyncio.timeout(_ASKING if self.silent < _SURE else None):
                    await self.give_sign()
            except (PlaceError, TimeoutError) as error:
                if self.silent < _SURE:
                    return
                if deadline.passed:
                    message = f"{self._place.where} did not answer, so somebody else may have the lock by now"
                    raise PlaceError(message, hint="rollout status") from error
                await asyncio.sleep(_LOOK_AGAIN)

    async def give_sign(self) -> None:
        """Give a sign of life, and pass on requests to the holder. Raises LockLost, PlaceError."""
        async with self._giving:
            sent = self._clock()
            try:
                asked = await self._place.beat(self.holder)
            except LockLost as error:
                self.lost = error
                raise
            self._last_sign = sent
        if asked.halt:
            self._halt(f"{asked.halt} asked to halt")
        if asked.promote:
            self._promote(asked.promote)

    async def _beat(self) -> None:
        """Give signs of life, one more as soon as the place tells of a request, until the lock is lost, or
        this is cancelled."""
        async with aclosing(self._place.changes(_BEAT, facts=False)) as changes:
            async for _ in changes:
                try:
                    await self.give_sign()
                except LockLost as error:
                    self._halt(str(error))
                    return
                except PlaceError as error:
                    if self.silent > self._patience:
                        self._halt(str(error))

    def _unsure(self) -> bool:
        """Whether the last sign of life is older than the next one should be. Raises LockLost."""
        if self.lost is not None:
            raise self.lost
        return self.silent > 2 * _BEAT

    async def _take(self, wait: float, above: int, is_dead: IsDead) -> None:
        deadline = Deadline(wait)
        over = ""
        async with aclosing(self._place.changes(_LOOK_AGAIN, facts=False)) as changes:
            while True:
                self._last_sign = self._clock()
                epoch = await self._place.take(self.holder, over=over, above=above)
                if epoch is not None:
                    self.epoch = epoch
                    return
                state = await self._place.held()
                over = ""
                if state is None:
                    continue
                # It is this holder's own where the answer to an earlier try was lost.
                if state.holder.token == self.holder.token or is_abandoned(state) or is_dead(state.holder):
                    over = state.holder.token
                elif deadline.passed:
                    message = f"{state.holder} holds the lock in {self._place.where}"
                    raise Refused(message, hint="wait for it with --wait 10m")
                else:
                    await self._until_worth_a_try(changes, state, deadline, is_dead)

    async def _until_worth_a_try(
        self, changes: AsyncIterator[bool], seen: LockState, deadline: Deadline, is_dead: IsDead
    ) -> None:
        """Wait until the lock may have been released, or its holder may have died since it was seen."""
        since = self._clock()
        async for changed in changes:
            now = dataclasses.replace(seen, silent=seen.silent + self._clock() - since)
            if changed or deadline.passed or is_abandoned(now) or is_dead(now.holder):
                return
