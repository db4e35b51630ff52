"""Checks on the configuration of a load balancer, where it can be read on its machine. Nothing is touched."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from itertools import chain

from rollout.decisions.finding import Finding, Level
from rollout.domain import Reading
from rollout.engine.configuration import Configuration, Unreadable
from rollout.engine.site import Site, Survey
from rollout.engine.waiting import run_all
from rollout.errors import HostError
from rollout.haproxy_config import Finding as InConfiguration
from rollout.haproxy_config import Severity, analyse, analyse_clients

_LEVELS = {Severity.PROBLEM: Level.PROBLEM, Severity.WARNING: Level.WARNING, Severity.NOTE: Level.NOTE}
_NOT_KNOWN = (
    "if clients are pinned to servers, a drain waits until none of them has a request; `drain.pinned: move` "
    "moves them, if no server has `on-marked-down shutdown-sessions`"
)


async def configuration_findings(site: Site, name: str, nodes: Sequence[str], seen: Survey) -> list[Finding]:
    """All findings in the configuration of load balancer `name`, or why it was not checked."""
    reading = next(reading for reading in seen.readings if reading.load_balancer == name)
    try:
        configuration = await site.configurations[name].read(reading)
    except (HostError, Unreadable) as error:
        hint = _NOT_KNOWN if site.inventory.drain.pinned is None and not _by_page(site) else None
        return [
            Finding(Level.WARNING, name, f"HAProxy's configuration was not checked: {error}", hint),
        ]
    found = analyse(
        configuration.text,
        "",
        _backends(name, nodes, seen),
        health_page=_by_page(site),
        waits=site.inventory.drain.pinned == "wait",
    )
    findings = _placed(configuration, name, found)
    if configuration.changed:
        findings.append(
            Finding(
                Level.WARNING,
                name,
                f"{configuration.changed} was changed after HAProxy was started, so it may not be what runs",
                "reload HAProxy; until then a drain does not go by its configuration",
            )
        )
    return findings


async def client_findings(site: Site, nodes: Sequence[str], seen: Survey) -> list[Finding]:
    """What becomes of the clients of `nodes`, by all configurations that can be read."""
    found = await run_all(_of_clients(site, reading, nodes, seen) for reading in seen.readings)
    return [*chain(*found)]


async def _of_clients(site: Site, reading: Reading, nodes: Sequence[str], seen: Survey) -> list[Finding]:
    try:
        configuration = await site.configurations[reading.load_balancer].read(reading)
    except (HostError, Unreadable):
        return []
    if configuration.changed:
        return []
    backends = _backends(reading.load_balancer, nodes, seen)
    found = analyse_clients(configuration.text, backends, health_page=_by_page(site))
    alike: dict[str, list[InConfiguration]] = {}
    for each in found:
        alike.setdefault(each.message, []).append(each)
    firsts = [dataclasses.replace(same[0], message=_with_others(same)) for same in alike.values()]
    return _placed(configuration, reading.load_balancer, firsts)


def _with_others(same: Sequence[InConfiguration]) -> str:
    """The message of findings that differ in nothing but their lines, with how many more lines there are."""
    more = len({each.line for each in same}) - 1
    return same[0].message + (f" (and {more} more such lines)" if more else "")


def _placed(configuration: Configuration, name: str, found: Iterable[InConfiguration]) -> list[Finding]:
    """Findings in a configuration, each with the file and the number of its line."""
    return [
        Finding(
            _LEVELS[each.severity],
            name,
            f"{configuration.places[each.line - 1]}: {each.message}",
            each.advice,
        )
        for each in found
    ]


def _by_page(site: Site) -> bool:
    return site.inventory.drain.health_page is not None


def _backends(load_balancer: str, nodes: Sequence[str], seen: Survey) -> set[str]:
    """The backends of `nodes` on a load balancer."""
    servers = [server for node in nodes for server in seen.placement[node]]
    return {server.backend for server in servers if server.load_balancer == load_balancer}
