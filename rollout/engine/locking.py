"""Holding the lock of a service while it is touched."""

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
_SILENT = 30.0
"""Seconds without one, after which a holder is gone."""
_LOOK_AGAIN = 0.5

IsGone = Callable[[LockHolder], bool]
"""Whether a holder is known to be gone, however short ago its last sign of life is."""


@asynccontextmanager
async def locked(
    lock: Lock,
    holder: LockHolder,
    *,
    wait: float,
    is_gone: IsGone,
    halt: Callable[[str], None],
    promote: Callable[[str], None],
) -> AsyncIterator[None]:
    """Hold the lock. `wait` is how many seconds to wait for it.

    `halt` is told when somebody asks the holder to halt, and when the lock is lost; `promote` is told who
    asks it to go on. Raises Refused if another one holds it, HostError.
    """
    await _take(lock, holder, wait, is_gone)
    beating = asyncio.create_task(_beat(lock, holder, halt, promote))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        with contextlib.suppress(HostError):  # left behind, it is silent soon, and then no obstacle
            await lock.drop(holder)


async def _take(lock: Lock, holder: LockHolder, wait: float, is_gone: IsGone) -> None:
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    while not await lock.take(holder):
        held = await lock.held()
        if held is None:
            continue
        if is_silent(held) or is_gone(held.holder):
            await lock.drop(held.holder)
        elif clock() >= deadline:
            raise Refused(f"{held.holder} holds the lock {lock.where}", hint="--wait 10m waits for it")
        else:
            await asyncio.sleep(_LOOK_AGAIN)


async def _beat(
    lock: Lock, holder: LockHolder, halt: Callable[[str], None], promote: Callable[[str], None]
) -> None:
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


def is_silent(held: LockState) -> bool:
    """Its holder gave no sign of life for too long: a crash left it."""
    return held.silent > _SILENT
