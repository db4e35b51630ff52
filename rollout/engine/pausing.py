"""Pauses: while there is one, no further node starts."""

from __future__ import annotations

import asyncio

from rollout.engine.log import Recorder
from rollout.events import Paused, Warned, WentOn


class Pauses:
    """Several may overlap; `promote` and `halt` end all of them."""

    def __init__(self, record: Recorder) -> None:
        self._record = record
        self._waiting: set[asyncio.Event] = set()
        self._halted = False

    @property
    def any(self) -> bool:
        return bool(self._waiting)

    async def pause(self, reason: str, over: asyncio.Event | None = None) -> bool:
        """Wait until it is `over`; False if somebody promotes, or the deployment is halted."""
        over = over or asyncio.Event()
        go_on = asyncio.Event()
        if self._halted:
            return False
        self._record(Paused(reason))
        self._waiting.add(go_on)
        waits = [asyncio.create_task(event.wait()) for event in (over, go_on)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.discard(go_on)
            for wait in waits:
                wait.cancel()
        if go_on.is_set():
            return False
        self._record(WentOn(f"it is over: {reason}"))
        return True

    def promote(self, who: str) -> None:
        """Go on, because `who` says so."""
        if not self._waiting:
            self._record(Warned(f"{who} asked to go on, but nothing is paused"))
            return
        self._record(WentOn(f"{who} asked to go on"))
        self._end()

    def halt(self) -> None:
        """Nothing is waited for any more."""
        self._halted = True
        self._end()

    def _end(self) -> None:
        for over in self._waiting:
            over.set()
