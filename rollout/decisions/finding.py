"""A finding: one thing that `rollout check` or preflight looked at, and what it means for a deployment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    NOTE = "note"
    """Good to know."""
    WARNING = "warning"
    PROBLEM = "problem"
    """A deployment is refused."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `subject` is a node or a load balancer; empty for the whole site."""

    level: Level
    subject: str
    text: str
    hint: str | None = None
    also: tuple[str, ...] = ()
    """What else it holds for: lines as `FILE:NUMBER`, servers, or backends."""

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}" if self.subject else self.text


def warnings(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that people should know of before a deployment begins."""
    return [finding for finding in findings if finding.level is Level.WARNING]


def refusals(findings: Iterable[Finding]) -> list[Finding]:
    """The findings for which a deployment is refused."""
    return [finding for finding in findings if finding.level is Level.PROBLEM]
