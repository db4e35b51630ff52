"""Everything that `rollout check` tells: what a deployment needs, and what in HAProxy would hurt it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from rollout.decisions.finding import Finding, Level
from rollout.decisions.plan import out_of_rotation, require_found
from rollout.engine.checks.findings import (
    balancer_findings,
    health_finding,
    node_findings,
    outage_findings,
    rotation_finding,
    server_findings,
)
from rollout.engine.configuration import Unreadable, read_configuration
from rollout.engine.site import Site, Survey, survey
from rollout.engine.waiting import both, together
from rollout.errors import HostError, LoadBalancerError, Refused
from rollout.haproxy_config import Severity, analyse

_LEVELS = {Severity.WARNING: Level.WARNING, Severity.NOTE: Level.NOTE}


async def check(site: Site, nodes: Sequence[str]) -> list[Finding]:
    """All findings, problems included: a part that cannot be looked at does not hide the others."""
    (balancers, hosts), (pages, servers) = await both(
        both(
            together(balancer_findings(site, name) for name in site.load_balancers),
            together(node_findings(site, name) for name in nodes),
        ),
        both(together(health_finding(site, name) for name in nodes), _of_servers(site, nodes)),
    )
    return [*chain(*balancers), *chain(*hosts), *pages, *servers]


async def _of_servers(site: Site, nodes: Sequence[str]) -> list[Finding]:
    if not site.load_balancers:
        return outage_findings(
            site, nodes, site.inventory.strategy.window.of(len(nodes)), Survey((), dict.fromkeys(nodes, ()))
        )
    try:
        seen = await survey(site)
        require_found(site.inventory, nodes, seen.placement)
    except LoadBalancerError:
        # Told already, as the finding of that load balancer.
        return []
    except Refused as error:
        return [Finding(Level.PROBLEM, "nodes", line, error.hint) for line in str(error).splitlines()]
    configured = await together(_of_configuration(site, name, nodes, seen) for name in site.load_balancers)
    window = site.inventory.strategy.window.of(len(site.inventory.nodes))
    rolled = [name for name in nodes if not out_of_rotation(seen.states(name))]
    return [
        *(rotation_finding(name, seen) for name in nodes),
        *server_findings(site, nodes, seen),
        *outage_findings(site, rolled, window, seen),
        *chain(*configured),
    ]


async def _of_configuration(site: Site, name: str, nodes: Sequence[str], seen: Survey) -> list[Finding]:
    """What HAProxy's configuration says, where it can be read on its machine; the socket does not tell it."""
    host = site.balancer_hosts.get(name)
    reading = next(reading for reading in seen.readings if reading.load_balancer == name)
    backends = {server.backend for node in nodes for server in seen.placement[node]}
    if host is None:
        return [_unread(name, "its machine is not reached by SSH")]
    try:
        lines = await read_configuration(host, reading.pid)
    except (HostError, Unreadable) as error:
        return [_unread(name, str(error))]
    by_page = site.inventory.drain.health_page is not None
    text = "\n".join(line for _, line in lines)
    findings = analyse(text, "", backends, health_page=by_page)
    return [
        Finding(_LEVELS[found.severity], name, f"{lines[found.line - 1][0]}: {found.message}", found.advice)
        for found in findings
    ]


def _unread(name: str, reason: str) -> Finding:
    return Finding(Level.WARNING, name, f"HAProxy's configuration was not looked at: {reason}")
