"""The lock of a service: who holds it, and what the holder is asked to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who holds the lock of a service. `since` is Unix time, by the holder's clock."""

    token: str
    user: str
    host: str
    pid: int
    since: float
    purpose: str

    def __str__(self) -> str:
        return f"{self.user} on {self.host} ({self.purpose}, process {self.pid})"


@dataclass(frozen=True, slots=True)
class LockState:
    """A lock that is taken. `silent` is how many seconds ago its holder last gave a sign of life."""

    holder: LockHolder
    silent: float


@dataclass(frozen=True, slots=True)
class LockRequests:
    """Who asked the holder of a lock to halt, and who to go on after a pause; empty where nobody did."""

    halt: str = ""
    promote: str = ""
