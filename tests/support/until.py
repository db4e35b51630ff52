"""Waiting for a condition in a test, never for a fixed time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_LOOK_AGAIN = 0.005
_LOOK_AGAIN_OUTSIDE = 0.02
"""Seconds between looks at what other processes do, which cost more."""


async def until(true: Callable[[], bool], what: str, *, within: float = 20.0) -> None:
    """Return as soon as `true()`; fail after `within` seconds, and say that this was waited for."""

    async def asked() -> bool:
        return true()

    await _until(asked, what, within, _LOOK_AGAIN)


async def until_seen(true: Callable[[], Awaitable[bool]], what: str, *, within: float = 20.0) -> None:
    """As `until`, for a condition that is asked with `await`."""
    await _until(true, what, within, _LOOK_AGAIN_OUTSIDE)


async def _until(true: Callable[[], Awaitable[bool]], what: str, within: float, pause: float) -> None:
    clock = asyncio.get_running_loop().time
    deadline = clock() + within
    while not await true():
        assert clock() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(pause)


def wait(true: Callable[[], T], what: str, *, within: float = 60.0, log: Callable[[], str] = str) -> T:
    """As `until`, for tests without an event loop. The first true answer; the failure shows the log."""
    deadline = time.monotonic() + within
    while not (answer := true()):
        assert time.monotonic() < deadline, f"waited in vain for {what} {log()}"
        time.sleep(_LOOK_AGAIN_OUTSIDE)
    return answer
