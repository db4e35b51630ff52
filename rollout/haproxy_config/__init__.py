"""Findings in an HAProxy configuration: settings that make a rolling deployment lose requests, or take
longer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from rollout.haproxy_config import rules
from rollout.haproxy_config.configuration import PROXIES, read
from rollout.haproxy_config.rules import Severity

__all__ = ["Finding", "Severity", "analyse"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding in one line of a configuration."""

    severity: Severity
    file: str
    line: int
    """Counts from 1."""
    backend: str
    """Name of the backend; empty for a finding that concerns all of them."""
    message: str
    """The problem, and its effect."""
    advice: str
    """The remedy."""


def analyse(
    text: str, file: str, backends: Collection[str] | None = None, *, health_page: bool = False
) -> list[Finding]:
    """The findings in an haproxy.cfg, in the order of its lines. No text raises.

    `backends` limits them to these backends, and `file` is what each finding calls the configuration.
    `health_page` means that nodes are drained by the page that HAProxy checks, and not by its runtime socket.
    """
    sections = read(text)
    remarks = [("", remark) for remark in rules.of_socket(sections) if not health_page]
    for section in sections:
        if section.kind in PROXIES and (backends is None or section.name in backends):
            remarks += [
                (section.name, remark) for remark in rules.of_backend(section, health_page=health_page)
            ]
    findings = [
        Finding(remark.severity, file, remark.line, backend, remark.message, remark.advice)
        for backend, remark in remarks
    ]
    return sorted(findings, key=lambda finding: finding.line)
