"""The findings of a check: what `rollout check` prints, and what a deployment is refused for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rollout.errors import RolloutError


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"
    """Good to know."""
    WARNING = "warning"
    PROBLEM = "problem"
    """A deployment is refused."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `subject` is a node, a load balancer or a setting of the inventory."""

    level: Level
    subject: str
    text: str
    hint: str | None = None


def refusals(findings: Iterable[Finding]) -> list[Finding]:
    """The findings for which a deployment is refused."""
    return [finding for finding in findings if finding.level is Level.PROBLEM]


def problem_of(subject: str, error: RolloutError) -> Finding:
    """The problem that ended a check of `subject`."""
    return Finding(Level.PROBLEM, subject, str(error).removeprefix(f"{subject}: "), error.hint)
