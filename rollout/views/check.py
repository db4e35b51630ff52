"""The output of `rollout check`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.decisions.finding import Finding, Level
from rollout.views.text import count

_MARKS = {Level.OK: "✓", Level.NOTE: "·", Level.WARNING: "!", Level.PROBLEM: "✗"}


def text(findings: Sequence[Finding], *, quiet: bool = False) -> Iterator[str]:
    """For people: a line for each finding, grouped by subject, then whether a deploy can begin. `quiet`
    leaves out what is in order."""
    width = max((len(finding.subject) for finding in findings), default=0)
    subjects = list(dict.fromkeys(finding.subject for finding in findings))
    for finding in sorted(findings, key=lambda finding: subjects.index(finding.subject)):
        if quiet and finding.level in (Level.OK, Level.NOTE):
            continue
        yield f"{_MARKS[finding.level]} {finding.subject:{width}}  {finding.text}"
        if finding.hint and finding.level is not Level.OK:
            yield f"  {'':{width}}  → {finding.hint}"
    levels = [finding.level for finding in findings]
    problems, warnings = levels.count(Level.PROBLEM), levels.count(Level.WARNING)
    verdict = "a deploy would be refused" if problems else "a deploy can begin"
    yield f"{verdict}: {count(problems, 'problem')}, {count(warnings, 'warning')}"


def document(findings: Sequence[Finding]) -> list[dict[str, str | list[str] | None]]:
    """For programs: an object for each finding, in the order in which they were looked at."""
    return [
        {
            "level": finding.level.value,
            "subject": finding.subject,
            "text": finding.text,
            "hint": finding.hint,
            **({"also": list(finding.also)} if finding.also else {}),
        }
        for finding in findings
    ]
