"""A remark of a rule about a line of an haproxy.cfg, and how much it matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rollout.haproxy_config.configuration import Line, ServerLine


class Severity(StrEnum):
    """How much a finding matters."""

    PROBLEM = "problem"
    """Requests would be lost: a deployment is refused."""
    WARNING = "warning"
    """Requests can be lost, or a deployment cannot work."""
    NOTE = "note"
    """A deployment takes longer, or the setting matters in special cases."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A rule's remark about a line; lines count from 1."""

    severity: Severity
    line: int
    message: str
    advice: str


def problem(line: Line, message: str, advice: str) -> Remark:
    """A remark that is a problem."""
    return Remark(Severity.PROBLEM, line.number, message, advice)


def warning(line: Line, message: str, advice: str) -> Remark:
    """A remark that is a warning."""
    return Remark(Severity.WARNING, line.number, message, advice)


def note(line: Line, message: str, advice: str) -> Remark:
    """A remark that is a note."""
    return Remark(Severity.NOTE, line.number, message, advice)


def names(servers: Sequence[ServerLine]) -> str:
    """The first two names, and how many more."""
    shown = ", ".join(server.name for server in servers[:2])
    return shown if len(servers) <= 2 else f"{shown} and {len(servers) - 2} more"
