"""The looks at the load balancers that a judge may need: each holds the counters of every server."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from rollout.decisions.counter_totals import Totals

_FINENESS = 20
"""Two looks that are kept may be apart by this part of their age: no part of the time that is judged needs
more."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at all load balancers."""

    time: float
    """On the loop's clock."""
    totals: Totals
    """What each server has answered since the first look."""


class Looks:
    """The looks since the wave began. The longer ago, the fewer are kept: of an hour fewer than 200."""

    def __init__(self, seconds: float | None = None) -> None:
        """`seconds` is how old a look may be; without it, a look of any age is kept."""
        self._seconds = seconds
        self._kept: list[Look] = []

    def __bool__(self) -> bool:
        return bool(self._kept)

    @property
    def last(self) -> Look:
        """The last look. There must have been one."""
        return self._kept[-1]

    def add(self, look: Look) -> None:
        """Keep one more look, and drop those between others that are near enough for their age."""
        kept: list[Look] = []
        for each, after in pairwise((*self._kept, look)):
            is_old = self._seconds is not None and after.time < look.time - self._seconds
            close = kept and after.time - kept[-1].time <= (look.time - after.time) / _FINENESS
            if not (is_old or close):
                kept.append(each)
        self._kept = [*kept, look]

    def since(self, time: float) -> list[Look]:
        """The looks that began at a time or later, oldest first."""
        return [look for look in self._kept if look.time >= time]

    def forget(self) -> None:
        """Forget all looks but the last."""
        del self._kept[:-1]
