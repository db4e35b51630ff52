"""All checks of `rollout check`: what a deployment needs, and what in HAProxy would hurt it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from rollout.decisions.finding import Finding, Level
from rollout.decisions.plan import out_of_rotation, require_found
from rollout.engine.checks.on_inventory import sudo_findings
from rollout.engine.checks.on_load_balancer import (
    outage_findings,
    rotation_finding,
    server_findings,
    socket_finding,
)
from rollout.engine.checks.on_node import health_finding, node_findings
from rollout.engine.configuration import Unreadable, read_configuration
from rollout.engine.site import Site, Survey, survey
from rollout.engine.waiting import run_all
from rollout.errors import HostError, LoadBalancerError, Refused
from rollout.haproxy_config import Severity, analyse

_LEVELS = {Severity.WARNING: Level.WARNING, Severity.NOTE: Level.NOTE}


async def check(site: Site, nodes: Sequence[str]) -> list[Finding]:
    """All findings about `nodes` and all load balancers. A part that cannot be checked does not hide the
    others."""
    parts = (_sockets(site), _nodes(site, nodes), _health_pages(site, nodes), _servers(site, nodes))
    return [*sudo_findings(site.inventory), *chain(*await run_all(parts))]


async def _sockets(site: Site) -> list[Finding]:
    return await run_all(socket_finding(site, name) for name in site.load_balancers)


async def _nodes(site: Site, nodes: Sequence[str]) -> list[Finding]:
    return [*chain(*await run_all(node_findings(site, name) for name in nodes))]


async def _health_pages(site: Site, nodes: Sequence[str]) -> list[Finding]:
    return await run_all(health_finding(site, name) for name in nodes)


async def _servers(site: Site, nodes: Sequence[str]) -> list[Finding]:
    """Findings about the nodes' servers, and about the load balancers' configurations."""
    if not site.load_balancers:
        window = site.inventory.strategy.window.of(len(nodes))
        return outage_findings(site, nodes, window, Survey((), dict.fromkeys(nodes, ())))
    try:
        seen = await survey(site)
        require_found(site.inventory, nodes, seen.placement)
    except LoadBalancerError:
        return []  # the finding about its socket says so
    except Refused as error:
        return [Finding(Level.PROBLEM, "nodes", line, error.hint) for line in str(error).splitlines()]
    configurations = await run_all(_configuration(site, name, nodes, seen) for name in site.load_balancers)
    window = site.inventory.strategy.window.of(len(site.inventory.nodes))
    rolled = [name for name in nodes if not out_of_rotation(seen.states(name))]
    return [
        *(rotation_finding(name, seen) for name in nodes),
        *server_findings(site, nodes, seen),
        *outage_findings(site, rolled, window, seen),
        *chain(*configurations),
    ]


async def _configuration(site: Site, name: str, nodes: Sequence[str], seen: Survey) -> list[Finding]:
    """Findings about HAProxy's configuration files, if they can be read on its machine."""
    host = site.balancer_hosts.get(name)
    reading = next(reading for reading in seen.readings if reading.load_balancer == name)
    backends = {server.backend for node in nodes for server in seen.placement[node]}
    if host is None:
        return [_not_checked(name, "its machine is not reached by SSH")]
    try:
        lines = await read_configuration(host, reading.pid)
    except (HostError, Unreadable) as error:
        return [_not_checked(name, str(error))]
    by_page = site.inventory.drain.health_page is not None
    text = "\n".join(line for _, line in lines)
    findings = analyse(text, "", backends, health_page=by_page)
    return [
        Finding(_LEVELS[found.severity], name, f"{lines[found.line - 1][0]}: {found.message}", found.advice)
        for found in findings
    ]


def _not_checked(name: str, reason: str) -> Finding:
    return Finding(Level.WARNING, name, f"HAProxy's configuration was not checked: {reason}")
