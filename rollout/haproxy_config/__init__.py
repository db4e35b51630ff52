"""What an HAProxy configuration does to a rolling deployment: what loses requests, what costs time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from rollout.haproxy_config import rules
from rollout.haproxy_config.configuration import PROXIES, read
from rollout.haproxy_config.rules import Severity

__all__ = ["Finding", "Severity", "analyse"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`line` counts from 1; `backend` is empty for what concerns all. `advice` is what to do about it."""

    severity: Severity
    file: str
    line: int
    backend: str
    message: str
    advice: str


def analyse(
    text: str, file: str, backends: Collection[str] | None = None, *, health_page: bool = False
) -> list[Finding]:
    """What is to be said of an haproxy.cfg, in the order of its lines. No text raises.

    Only of `backends`, where they are given. `health_page` says that nodes are drained by the page that
    HAProxy checks, and not by its runtime socket.
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
