"""Notes of commands on a node: what a command leaves there while it runs, and what later ones make of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """The note of one command that changes something on a node, kept there while the command runs."""

    place: str
    """The node of a service, as the name of a folder."""
    claim: str
    """The claim under which the command is sent. It does not begin where a later claim was made; empty
    heeds no claim."""
    sender: str
    """Who sends it and from where, such as `alice on laptop`."""
    step: str
    """Which command it is, such as `release`."""
    deployment: str = ""
    """Number of its deployment; empty for a command that belongs to none."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A command whose end nobody reported: whoever sent it was killed, say, or its connection broke."""

    note: str
    """Path of its note."""
    age: int
    """Seconds since it began."""
    timeout: int
    """Seconds that it may take."""
    sender: str
    step: str
    deployment: str
    group: tuple[str, ...] = ()
    """Its processes, such as `4711 sh`, as far as they have not left its session."""
    detached: tuple[str, ...] = ()
    """Processes that it started and that have left its session."""

    @property
    def processes(self) -> tuple[str, ...]:
        """All of its processes. None where it was ended in the middle."""
        return self.group + self.detached

    @property
    def left(self) -> int:
        """Seconds that are left of its time-out; 0 or less once that is over."""
        return self.timeout - self.age

    def __str__(self) -> str:
        """`release of deployment 17, sent by alice on laptop 42 s ago (process 4711 sh)`."""
        what = f"{self.step} of deployment {self.deployment}" if self.deployment else self.step
        named = f" (process {', '.join(self.processes)})" if self.processes else ""
        return f"{what}, sent by {self.sender} {self.age} s ago{named}"
