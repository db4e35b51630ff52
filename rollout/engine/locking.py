"""The lock of a service: taken before the service is touched, kept by signs of life, released at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rollout.domain import LockHolder, LockState
from rollout.errors import HostError, LockLost, Refused
from rollout.ports import Lock

_BEAT = 2.0
"""Seconds between two signs of life."""
_ABANDONED = 30.0
"""Seconds without a sign of life after which a lock counts as left behind."""
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
) -> AsyncIterator[None]:
    """The lock, taken by `holder`. While somebody else holds it, the context waits for up to `wait` seconds.

    `halt` is called with the reason when somebody asks the holder to halt or when the lock is lost, `promote`
    with the name of whoever asks the holder to continue. Raises Refused if somebody else holds the lock,
    HostError.
    """
    await _take(lock, holder, wait, is_dead)
    beating = asyncio.create_task(_beat(lock, holder, halt, promote))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        with contextlib.suppress(HostError):  # a lock left behind is soon taken over
            await lock.drop(holder)


def is_abandoned(state: LockState) -> bool:
    """Whether the holder has been silent for so long that it must have crashed."""
    return state.silent > _ABANDONED


async def _take(lock: Lock, holder: LockHolder, wait: float, is_dead: IsDead) -> None:
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    while not await lock.take(holder):
        state = await lock.held()
        if state is None:
            continue
        if is_abandoned(state) or is_dead(state.holder):
            await lock.drop(state.holder)
        elif clock() >= deadline:
            raise Refused(f"{state.holder} holds the lock {lock.where}", hint="wait for it with --wait 10m")
        else:
            await asyncio.sleep(_LOOK_AGAIN)


async def _beat(
    lock: Lock, holder: LockHolder, halt: Callable[[str], None], promote: Callable[[str], None]
) -> None:
    """Give signs of life, and pass on requests to the holder."""
    while True:
        await asyncio.sleep(_BEAT)
        try:
            asked = await lock.beat(holder)
        except LockLost as error:
            halt(str(error))
            return
        except HostError:
            continue
        if asked.halt:
            halt(f"{asked.halt} asked to halt")
        if asked.promote:
            promote(asked.promote)
