"""Findings in an HAProxy configuration: settings that make a rolling deployment lose requests, or take
longer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rollout.haproxy_config import rules
from rollout.haproxy_config.client_rules import of_clients
from rollout.haproxy_config.configuration import PROXIES, read
from rollout.haproxy_config.remark import Remark, Severity

__all__ = ["Finding", "Severity", "analyse", "analyse_clients"]


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
    text: str,
    file: str,
    backends: Collection[str] | None = None,
    *,
    health_page: bool = False,
    waits: bool = False,
) -> list[Finding]:
    """The findings in an haproxy.cfg, in the order of its lines. No text raises.

    `backends` limits them to these backends, and `file` is what each finding calls the configuration.
    `health_page` means that nodes are drained by the page that HAProxy checks, and not by its runtime socket;
    `waits` that a drain waits until pinned clients pause, although maintenance could move them.
    """
    sections = read(text)
    remarks = [("", remark) for remark in rules.of_socket(sections) if not health_page]
    for section in sections:
        if section.kind in PROXIES and (backends is None or section.name in backends):
            remarks += [
                (section.name, remark)
                for remark in rules.of_backend(section, health_page=health_page, waits=waits)
            ]
    return _findings(remarks, file)


def analyse_clients(text: str, backends: Collection[str], *, health_page: bool) -> list[Finding]:
    """Those of the findings that say what becomes of clients when a node of `backends` leaves and returns."""
    remarks = [
        (section.name, remark)
        for section in read(text)
        if section.kind in PROXIES and section.name in backends
        for remark in of_clients(section, health_page=health_page, waits=False)
    ]
    return _findings(remarks, "")


def _findings(remarks: Iterable[tuple[str, Remark]], file: str) -> list[Finding]:
    """The findings that remarks on backends are, in the order of their lines."""
    findings = [
        Finding(remark.severity, file, remark.line, backend, remark.message, remark.advice)
        for backend, remark in remarks
    ]
    return sorted(findings, key=lambda finding: finding.line)
