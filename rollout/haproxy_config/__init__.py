"""Findings in an HAProxy configuration: settings that make a rolling deployment lose requests, or take
longer."""

from __future__ import annotations

from collections.abc import Collection

from rollout.haproxy_config import rules
from rollout.haproxy_config.client_rules import of_clients
from rollout.haproxy_config.configuration import PROXIES, read
from rollout.haproxy_config.folding import Finding, folded
from rollout.haproxy_config.remark import Severity
from rollout.haproxy_config.state_file import global_file

__all__ = ["Finding", "Severity", "analyse", "analyse_clients", "backends_in"]


def analyse(
    text: str,
    file: str,
    backends: Collection[str] | None = None,
    *,
    health_page: bool = False,
    waits: bool = False,
    bake: float = 0.0,
    version: str = "",
) -> list[Finding]:
    """The findings in an haproxy.cfg, in the order of its lines. No text raises.

    `backends` limits them to these backends, and `file` is what each finding calls the configuration.
    `health_page` means that nodes are drained by the page that HAProxy checks, and not by its runtime socket;
    `waits` that a drain waits until pinned clients pause, although maintenance could move them.
    `bake` is how many seconds the next node waits for one that is back, and `version` that of HAProxy as it
    runs, if that is known.
    """
    sections = read(text, version)
    states = global_file(sections)
    remarks = [("", remark) for remark in rules.of_socket(sections) if not health_page]
    for section in sections:
        if section.kind in PROXIES and (backends is None or section.name in backends):
            found = rules.of_backend(
                section, global_file=states, health_page=health_page, waits=waits, bake=bake, version=version
            )
            remarks += [(section.name, remark) for remark in found]
    return folded(remarks, file)


def backends_in(text: str, version: str = "") -> set[str]:
    """The names of all backends of a configuration, as they are written."""
    return {section.name for section in read(text, version) if section.kind in PROXIES}


def analyse_clients(
    text: str, backends: Collection[str], *, health_page: bool, version: str = ""
) -> list[Finding]:
    """Those of the findings that say what becomes of clients when a node of `backends` leaves and returns."""
    return folded(
        (
            (section.name, remark)
            for section in read(text, version)
            if section.kind in PROXIES and section.name in backends
            for remark in of_clients(section, health_page=health_page, waits=False)
        ),
        "",
    )
