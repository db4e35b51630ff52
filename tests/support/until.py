"""Waiting for a condition in a test, never for a fixed time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

_LOOK_AGAIN = 0.005


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
