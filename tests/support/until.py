"""Waiting for a condition in a test, never for a fixed time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

_LOOK_AGAIN = 0.005
_LOOK_AGAIN_OUTSIDE = 0.05
"""What is looked at from outside, by programs, costs more."""


async def until(true: Callable[[], bool], what: str, *, within: float = 10.0) -> None:
    """Return as soon as `true()`; fail after `within` seconds, naming `what` was waited for."""

    async def asked() -> bool:
        return true()

    await until_seen(asked, what, within=within)


async def until_seen(true: Callable[[], Awaitable[bool]], what: str, *, within: float = 10.0) -> None:
    """The same for a condition that takes asking."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + within
    while not await true():
        assert clock() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(_LOOK_AGAIN)


def wait(true: Callable[[], bool], what: str, *, within: float = 30.0) -> None:
    """As `until`, for tests without an event loop."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(_LOOK_AGAIN_OUTSIDE)
