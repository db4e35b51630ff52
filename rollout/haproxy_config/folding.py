"""Findings of the remarks on all backends: what is said of many backends is said once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rollout.haproxy_config.remark import Remark, Severity, named

_NAMED = 3
"""Backends that are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding in one line of a configuration, or in several lines that are alike."""

    severity: Severity
    file: str
    line: int
    """The first line; counts from 1."""
    backend: str
    """Name of the backend; empty for a finding that concerns all of them."""
    message: str
    """The problem, and its effect."""
    advice: str
    """The remedy, with the line to write."""
    also: tuple[tuple[int, str], ...] = ()
    """Line and backend wherever else the same holds."""


def folded(remarks: Iterable[tuple[str, Remark]], file: str) -> list[Finding]:
    """The findings that remarks on backends are, in the order of their lines."""
    alike: dict[tuple[Severity, str, str], list[tuple[str, Remark]]] = {}
    for backend, remark in remarks:
        alike.setdefault((remark.severity, remark.message, remark.advice), []).append((backend, remark))
    return sorted((_finding(found, file) for found in alike.values()), key=lambda finding: finding.line)


def _finding(found: Sequence[tuple[str, Remark]], file: str) -> Finding:
    found = sorted(found, key=lambda each: each[1].line)
    backend, first = found[0]
    servers = {remark.servers for _, remark in found}
    message = first.message
    if len(servers) == 1 and first.servers:
        message = f"{named(first.servers)} {message}"
    elif len(servers) > 1:
        message = f"{sum(len(remark.servers) for _, remark in found):,} servers {message}"
    if len(backends := list(dict.fromkeys(backend for backend, _ in found))) > 1:
        shown = ", ".join(backends[:_NAMED])
        more = f" and {len(backends) - _NAMED:,} more" if len(backends) > _NAMED else ""
        message = f"{message} (in {len(backends):,} backends: {shown}{more})"
    also = tuple((remark.line, backend) for backend, remark in found[1:])
    return Finding(first.severity, file, first.line, backend, message, first.advice, also)
