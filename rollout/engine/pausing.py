"""The pauses of a deployment: during a pause no further node starts."""

from __future__ import annotations

import asyncio

from rollout.engine.log import Recorder
from rollout.events import Paused, Warned, WentOn


class Pauses:
    """The pauses of one deployment. Several may overlap; `promote` and `halt` end all of them."""

    def __init__(self, record: Recorder) -> None:
        self._record = record
        self._waiting: set[asyncio.Event] = set()
        self._none = asyncio.Event()
        self._none.set()
        self._halted = False

    @property
    def any(self) -> bool:
        """Whether there is a pause now."""
        return bool(self._waiting)

    async def over(self) -> None:
        """Wait until there is no pause."""
        await self._none.wait()

    async def pause(self, reason: str, over: asyncio.Event | None = None) -> bool:
        """Wait until the reason for the pause is `over`, or without `over` until somebody ends the pause.

        Returns False if somebody promoted or the deployment is halted.
        """
        over = over or asyncio.Event()
        go_on = asyncio.Event()
        if self._halted:
            return False
        self._record(Paused(reason))
        self._waiting.add(go_on)
        self._none.clear()
        waits = [asyncio.create_task(event.wait()) for event in (over, go_on)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.discard(go_on)
            if not self._waiting:
                self._none.set()
            for wait in waits:
                wait.cancel()
        if go_on.is_set():
            return False
        self._record(WentOn(f"no longer the case: {reason}"))
        return True

    def promote(self, who: str) -> None:
        """End all pauses, because `who` asked for it."""
        if not self._waiting:
            self._record(Warned(f"{who} asked to continue, but the deployment is not paused"))
            return
        self._record(WentOn(f"{who} asked to continue"))
        self._end()

    def halt(self) -> None:
        """End all pauses, and begin no more."""
        self._halted = True
        self._end()

    def _end(self) -> None:
        for go_on in self._waiting:
            go_on.set()
