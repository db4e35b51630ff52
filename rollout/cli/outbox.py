"""Messages on their way to others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rollout.errors import ProbeFailed

_TIMEOUT = 10.0
"""Seconds for one message; and for all that are left, once nothing else is to be done."""


class Outbox:
    """Sends in the background: nobody waits for a message until all else is done."""

    def __init__(self) -> None:
        self._sending: list[asyncio.Task[None]] = []
        self._last: dict[str, asyncio.Task[None]] = {}

    def post(self, url: str, message: dict[str, Any], failed: Callable[[str], None]) -> None:
        """Send it once those before it are sent to the same URL; `failed` is told why that did not work."""
        task = asyncio.create_task(self._send(url, message, failed, self._last.get(url)))
        self._last[url] = task
        self._sending.append(task)

    async def aclose(self) -> None:
        """Returns when all are sent or have failed."""
        if not self._sending:
            return
        try:
            await asyncio.wait(self._sending, timeout=_TIMEOUT)
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    async def _send(
        self,
        url: str,
        message: dict[str, Any],
        failed: Callable[[str], None],
        before: asyncio.Task[None] | None,
    ) -> None:
        # Brings a library along that who notifies nobody does without.
        from rollout.adapters.webhook import post

        try:
            if before is not None:
                await asyncio.wait([before])
            await post(url, message, timeout=_TIMEOUT)
        except ProbeFailed as error:
            failed(str(error))
        except asyncio.CancelledError:
            failed("it was not sent in time")
            raise
