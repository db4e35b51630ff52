"""Findings that differ in one name alone: of hundreds of servers or backends, each kind is said once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rollout.decisions.finding import Finding, Level

_NAMED = 3
"""Names that are shown; the others are counted."""


def once(findings: Iterable[tuple[str, Finding]]) -> list[Finding]:
    """One finding for all that are alike but for the name that comes with each. It shows the first one, and
    names the others in its text; `also` has all of them."""
    kinds: dict[tuple[Level, str, str, str], list[tuple[str, Finding]]] = {}
    for name, finding in findings:
        text, hint = (part.replace(name, "\0") for part in (finding.text, finding.hint or ""))
        kinds.setdefault((finding.level, finding.subject, text, hint), []).append((name, finding))
    return [_together(kind) for kind in kinds.values()]


def first_of(names: Sequence[str], between: str = ", ") -> str:
    """The first names, or what is said of them, and how many more there are."""
    shown = between.join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED:,} more"


def _together(kind: Sequence[tuple[str, Finding]]) -> Finding:
    (name, first), *others = kind
    if not others:
        return first
    names = [other for other, _ in others]
    hint = first.hint and (f"{first.hint}; the same for the others" if name in first.hint else first.hint)
    return replace(first, text=f"{first.text} (also {first_of(names)})", hint=hint, also=tuple(names))
