"""The halt of a deployment: no further node starts, and those in flight finish."""

from __future__ import annotations

from rollout.engine.log import Recorder
from rollout.engine.pausing import Pauses
from rollout.events import Halted


class Halt:
    """Whether a deployment is halted, and why. The first reason is the one that counts."""

    def __init__(self, record: Recorder, pauses: Pauses) -> None:
        self._record = record
        self._pauses = pauses
        self.reason = ""
        """Why no further node starts; empty while they do."""
        self.gave_up = False
        """Whether the deployment gave up, perhaps after it was halted for another reason: it ends as
        failed."""

    def ask(self, reason: str) -> None:
        """Halt because somebody asked, or because continuing makes no sense now. The release is not
        blamed."""
        self._begin(Halted(reason))

    def give_up(self, reason: str, *, judged: bool = False) -> None:
        """Halt because too much failed, or because the release was `judged` bad."""
        self.gave_up = True
        self._begin(Halted(reason, gave_up=True, judged=judged))

    def interrupt(self, reason: str) -> None:
        """Halt because the deployment is ended at once, whatever halted it before."""
        self.reason = ""
        self._begin(Halted(reason))

    def _begin(self, event: Halted) -> None:
        if not self.reason:
            self.reason = event.reason
            self._record(event)
            self._pauses.halt()
