"""A remark of a rule about a line of an haproxy.cfg, and how much it matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rollout.haproxy_config.configuration import Line, ServerLine

_NAMED = 2
"""Servers that are named; the others are counted."""


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
    """Begins after the names of the servers, if it is about some."""
    advice: str
    servers: tuple[str, ...] = ()
    """The servers that it is about, if not about all of the backend."""


def problem(line: Line, message: str, advice: str, servers: Sequence[ServerLine] = ()) -> Remark:
    """A remark that is a problem."""
    return _remark(Severity.PROBLEM, line, message, advice, servers)


def warning(line: Line, message: str, advice: str, servers: Sequence[ServerLine] = ()) -> Remark:
    """A remark that is a warning."""
    return _remark(Severity.WARNING, line, message, advice, servers)


def note(line: Line, message: str, advice: str, servers: Sequence[ServerLine] = ()) -> Remark:
    """A remark that is a note."""
    return _remark(Severity.NOTE, line, message, advice, servers)


def named(servers: Sequence[str]) -> str:
    """The first two names, and how many more."""
    shown = ", ".join(servers[:_NAMED])
    return shown if len(servers) <= _NAMED else f"{shown} and {len(servers) - _NAMED} more"


def _remark(
    severity: Severity, line: Line, message: str, advice: str, servers: Sequence[ServerLine]
) -> Remark:
    if line.conditional:
        message += " (if the `.if` around that line holds)"
    return Remark(severity, line.number, message, advice, tuple(server.label for server in servers))
