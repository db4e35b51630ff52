"""Whether the failure of a node halts the deployment, and what is blamed."""

from __future__ import annotations

from rollout.engine.halt import Halt
from rollout.engine.users.jury import Jury
from rollout.errors import (
    ChangedByOthers,
    Fallen,
    JudgedBad,
    LockLost,
    NoCapacity,
    Outage,
    PlaceError,
    RolloutError,
    SiteChanged,
    Undecided,
)


class Failures:
    """The judge of failures. `allowed` is how many nodes may fail."""

    def __init__(self, halt: Halt, jury: Jury, allowed: int) -> None:
        self._halt = halt
        self._jury = jury
        self._allowed = allowed

    def halt_after(self, name: str, error: RolloutError, failed: int) -> None:
        """Halt if the failure of a node gives a reason to; so many have `failed` by now."""
        if isinstance(error, SiteChanged):
            self._halt.ask(f"the site changed: {error}")
        elif isinstance(error, PlaceError | LockLost):
            self._halt.ask(str(error))
        elif isinstance(error, NoCapacity):
            self._halt.ask(f"{name} was not taken out: {error}")
        elif isinstance(error, JudgedBad):
            self._halt.give_up(str(error), judged=True)
        elif isinstance(error, Outage | Undecided):
            self._halt.ask(f"{name} could not be judged: {error}")
        elif trouble := self._jury.trouble([name]):
            self._halt.ask(f"{name} failed, but its release is probably not the cause: {trouble}")
        elif failed <= self._allowed:
            pass
        elif isinstance(error, ChangedByOthers):
            self._halt.ask(f"{name}: {error}")
        elif isinstance(error, Fallen):
            self._halt.give_up(f"{name} was put back, and is out of rotation again")
        else:
            self._halt.give_up(f"{name} failed")
