"""Checks on the configuration of a load balancer, where it can be read on its machine. Nothing is touched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from rollout.decisions.finding import Finding, Level
from rollout.domain import Reading
from rollout.engine.configuration import Configuration, Unreadable
from rollout.engine.site import Site, Survey
from rollout.engine.waiting import run_all
from rollout.errors import HostError
from rollout.haproxy_config import Finding as InConfiguration
from rollout.haproxy_config import Severity, analyse, analyse_clients, backends_in

_LEVELS = {Severity.PROBLEM: Level.PROBLEM, Severity.WARNING: Level.WARNING, Severity.NOTE: Level.NOTE}
_NOT_KNOWN = (
    "if clients are pinned to servers, a drain waits until none of them has a request; `drain.pinned: move` "
    "moves them, if no server has `on-marked-down shutdown-sessions`"
)


async def configuration_findings(site: Site, name: str, nodes: Sequence[str], seen: Survey) -> list[Finding]:
    """All findings in the configuration of load balancer `name`, or why it was not checked."""
    reading = next(reading for reading in seen.readings if reading.load_balancer == name)
    backends = _backends(name, nodes, seen)
    try:
        configuration = await site.configurations[name].read(reading)
        _require_own(configuration, backends, reading)
    except (HostError, Unreadable) as error:
        hint = _NOT_KNOWN if site.inventory.drain.pinned is None and not _by_page(site) else None
        return [
            Finding(Level.WARNING, name, f"HAProxy's configuration was not checked: {error}", hint),
        ]
    found = analyse(
        configuration.text,
        "",
        backends,
        health_page=_by_page(site),
        waits=site.inventory.drain.pinned == "wait",
        bake=site.inventory.strategy.bake_asked_for,
        version=reading.version,
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
    found = analyse_clients(configuration.text, backends, health_page=_by_page(site), version=reading.version)
    return _placed(configuration, reading.load_balancer, found)


def _require_own(configuration: Configuration, backends: Iterable[str], reading: Reading) -> None:
    """Raises Unreadable for a configuration of something else: it has none of the backends that run."""
    written = backends_in(configuration.text, reading.version)
    missing = sorted(set(backends) - written)
    if missing and not written.intersection(backends) and not any("$" in name for name in written):
        file = configuration.places[0].rpartition(":")[0]
        raise Unreadable(
            f"{file} has no backend {missing[0]}, which HAProxy has, so other files must be in use"
        )


def _placed(configuration: Configuration, name: str, found: Iterable[InConfiguration]) -> list[Finding]:
    """Findings in a configuration, each with the file and the number of its line."""
    return [
        Finding(
            _LEVELS[each.severity],
            name,
            f"{configuration.places[each.line - 1]}: {each.message}",
            each.advice,
            tuple(configuration.places[line - 1] for line, _ in each.also),
        )
        for each in found
    ]


def _by_page(site: Site) -> bool:
    return site.inventory.drain.health_page is not None


def _backends(load_balancer: str, nodes: Sequence[str], seen: Survey) -> set[str]:
    """The backends of `nodes` on a load balancer."""
    servers = [server for node in nodes for server in seen.placement[node]]
    return {server.backend for server in servers if server.load_balancer == load_balancer}
