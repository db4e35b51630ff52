"""The lock of a service: taken before the service is touched, kept by signs of life, released at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rollout.deadline import Deadline, slept
from rollout.domain import LockHolder, LockState
from rollout.engine.permission import Permission
from rollout.errors import HostError, LockLost, Refused
from rollout.ports import Lock

_BEAT = 2.0
"""Seconds between two signs of life."""
_ABANDONED = 30.0
"""Seconds without a sign of life after which a lock counts as left behind."""
_DOUBTFUL = _ABANDONED / 2
"""Seconds without one after which the lock may be somebody else's soon: then nothing is touched unasked."""
_LOOK_AGAIN = 0.5
"""Seconds between two tries to take a lock that somebody else holds."""

IsDead = Callable[[LockHolder], bool]
"""Whether the process of a lock's holder is known to be dead, however recent its last sign of life is."""


@asynccontextmanager
async def locked(
    lock: Lock,
    holder: LockHolder,
    *,
    wait: float,
    is_dead: IsDead,
    halt: Callable[[str], None],
    promote: Callable[[str], None],
    permission: Permission,
) -> AsyncIterator[None]:
    """The lock, taken by `holder`. While somebody else holds it, the context waits for up to `wait` seconds.

    `halt` is called with the reason when somebody asks the holder to halt or when the lock is lost, `promote`
    with the name of whoever asks the holder to continue. `permission` is given as long as the lock is held.
    Raises Refused if somebody else holds the lock, HostError.
    """
    await _take(lock, holder, wait, is_dead)
    beats = _Beats(lock, holder, halt, promote)
    beating = asyncio.create_task(beats.run())
    permission.confirm = beats.confirm
    try:
        yield
    finally:
        permission.confirm = None
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        with contextlib.suppress(HostError):  # a lock left behind is soon taken over
            await lock.drop(holder)


def is_abandoned(state: LockState) -> bool:
    """Whether the holder has been silent for so long that it must have crashed."""
    return state.silent > _ABANDONED


async def _take(lock: Lock, holder: LockHolder, wait: float, is_dead: IsDead) -> None:
    deadline = Deadline(wait)
    while not await lock.take(holder):
        state = await lock.held()
        if state is None:
            continue
        if is_abandoned(state) or is_dead(state.holder):
            await lock.drop(state.holder)
        elif deadline.passed:
            raise Refused(f"{state.holder} holds the lock {lock.where}", hint="wait for it with --wait 10m")
        else:
            await asyncio.sleep(_LOOK_AGAIN)


class _Beats:
    """The signs of life of a holder, which also bring what others asked of it."""

    def __init__(
        self, lock: Lock, holder: LockHolder, halt: Callable[[str], None], promote: Callable[[str], None]
    ) -> None:
        self._lock = lock
        self._holder = holder
        self._halt = halt
        self._promote = promote
        self._slept = slept()
        """The seconds for which this process had slept at the last sign of life."""
        self._giving = asyncio.Lock()

    async def run(self) -> None:
        """Give signs of life until the lock is lost."""
        while True:
            await asyncio.sleep(_BEAT)
            try:
                async with self._giving:
                    await self._give()
            except LockLost:
                return
            except HostError:
                continue

    async def confirm(self) -> None:
        """Return at once, unless this process slept for so long that the lock may be somebody else's: then
        give a sign of life first. Raises LockLost; HostError if the lock's host does not answer for long."""
        deadline = Deadline(_ABANDONED)
        async with self._giving:
            while slept() - self._slept > _DOUBTFUL:
                try:
                    await self._give()
                except HostError:
                    if deadline.passed:
                        raise
                    await asyncio.sleep(_LOOK_AGAIN)

    async def _give(self) -> None:
        before = slept()
        try:
            asked = await self._lock.beat(self._holder)
        except LockLost as error:
            self._halt(str(error))
            raise
        self._slept = before
        if asked.halt:
            self._halt(f"{asked.halt} asked to halt")
        if asked.promote:
            self._promote(asked.promote)
