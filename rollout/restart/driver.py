"""What every restart driver is: the commands of a restart, and a proof that it happened.

"The command ended well" is no proof: a driver that can look before and after does, and judges what it saw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

Fill = Callable[[str], str]
"""Fills in `{host}`, `{node}` and `{release}`."""


class ProofStatus(StrEnum):
    DONE = "done"
    WAIT = "wait"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProofResult:
    """What the proof says now; `detail` says it in words."""

    verdict: ProofStatus
    detail: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A shell line that is run before the restart and again after it, until `judge` is satisfied.

    `judge` gets what the line printed before and after. `explain` is a shell line whose output tells a
    person why the restart failed.
    """

    observe: str
    judge: Callable[[str, str], ProofResult]
    explain: str


@dataclass(frozen=True, slots=True)
class Ask:
    """An HTTP request that restarts the application, sent from here."""

    method: str
    url: str


@dataclass(frozen=True, slots=True)
class RestartPlan:
    """One way to restart an application, ready to be carried out. `timeout` is in seconds, for all of it."""

    timeout: float
    command: str | None = None
    """A shell line on the node."""
    ask: Ask | None = None
    shown: str = ""
    """What people are shown in place of a command that is a whole program. The last line that such a
    program prints before it fails says why."""
    proof: Proof | None = None
    precheck: str | None = None
    """A shell line that touches nothing, and fails where the restart could not be carried out."""
