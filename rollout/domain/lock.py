"""The lock of a service: its holder, and requests to the holder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The process that holds the lock of a service."""

    token: str
    """A random text that no other holder has: a lock is released only by the token that took it."""
    user: str
    host: str
    """Name of the machine on which the process runs. Containers share names, so it identifies nothing."""
    pid: int
    since: float
    """Unix time at which the lock was taken, by the holder's clock."""
    purpose: str
    """The purpose of the lock, such as `deploy 1.4.2`."""
    boot: str = ""
    """Boot id of the machine's kernel; empty where there is none, as on macOS."""
    namespace: str = ""
    """The namespace of process numbers in which `pid` is one: a container has its own."""
    started: int = 0
    """When the process began, in the kernel's ticks since the boot: pids are used again, at another time."""

    def __str__(self) -> str:
        """`alice on laptop (deploy 1.4.2, process 4711)`."""
        return f"{self.user} on {self.host} ({self.purpose}, process {self.pid})"


@dataclass(frozen=True, slots=True)
class LockState:
    """A lock that is taken, as anybody can see it."""

    holder: LockHolder
    silent: float
    """Seconds since the holder's last sign of life, by the clock of the machine that has the lock."""
    epoch: int = 0
    """The number of times that the lock has been taken: it only rises, and is written with every fact."""


@dataclass(frozen=True, slots=True)
class LockRequests:
    """Requests of other people to the holder of a lock. Each field names who asked; it is empty if nobody
    did."""

    halt: str = ""
    """Who asked it to halt."""
    promote: str = ""
    """Who asked it to continue after a pause."""
