"""What deployers of a service share at the place where they meet, beside the lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rollout.domain.lock import LockState


@dataclass(frozen=True, slots=True)
class Shared:
    """One look at a place."""

    lock: LockState | None
    """The lock, if somebody holds it."""
    memory: str = ""
    """What is known of each node now, as a line of JSON; empty if nothing was written yet."""
    total: int = 0
    """How many deployments lie there."""
    counts: Mapping[int, int] = field(default_factory=dict)
    """How many facts each of the latest deployments has there, and each that was asked for; by number, oldest
    first."""
    summaries: Mapping[int, str] = field(default_factory=dict)
    """The summaries of the same deployments, each a line of JSON; one that has none is missing."""
    facts: Sequence[str] = ()
    """Facts of the last deployment, each a line of JSON, after those that the caller knew."""

    @property
    def last(self) -> int:
        """The number of the last deployment; 0 if there is none."""
        return max(self.counts, default=0)


@dataclass(frozen=True, slots=True)
class Publication:
    """Facts of one deployment, to be added at a place; and what they change there."""

    deployment: int
    after: int
    """How many facts come before. Those that the place has already are not added again."""
    facts: Sequence[str]
    """Lines of JSON, in order."""
    memory: str | None = None
    """The new memory, where it changed."""
    summary: str | None = None
    """The deployment's summary, a line of JSON, where it changed."""
