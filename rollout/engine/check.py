"""Everything that `rollout check` tells: what a deployment needs, and what in HAProxy would hurt it."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from itertools import chain

from rollout.analysis import Severity, analyse
from rollout.engine.checks import (
    Finding,
    Level,
    balancer_findings,
    health_finding,
    node_findings,
    outage_findings,
    rotation_finding,
    server_findings,
)
from rollout.engine.site import Site, Survey, survey
from rollout.engine.waiting import together
from rollout.errors import HostError, LoadBalancerError, Refused
from rollout.plan import require_found

_LOOK = 30.0
"""Seconds for reading HAProxy's configuration."""
_CONFIGURATION_FILES = """
tr '\\0' '\\n' < /proc/{pid}/cmdline | awk 'file {{ print; file = 0 }} $0 == "-f" {{ file = 1 }}' |
while read -r file; do if [ -d "$file" ]; then ls -d "$file"/*.cfg; else echo "$file"; fi; done
"""
"""Prints the files that a running HAProxy was started with, one a line."""
_LEVELS = {Severity.WARNING: Level.WARNING, Severity.NOTE: Level.OK}


async def check(site: Site, nodes: Sequence[str]) -> list[Finding]:
    """All findings, problems included: a part that cannot be looked at does not hide the others."""
    parts = await asyncio.gather(
        together(balancer_findings(site, name) for name in site.load_balancers),
        together(node_findings(site, name) for name in nodes),
        together(health_finding(site, name) for name in nodes),
        _of_servers(site, nodes),
    )
    balancers, hosts, pages, servers = parts
    return [*chain(*balancers), *chain(*hosts), *pages, *servers]


async def _of_servers(site: Site, nodes: Sequence[str]) -> list[Finding]:
    if not site.load_balancers:
        return outage_findings(site, nodes, site.inventory.strategy.window.of(len(nodes)), Survey((), {}))
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
    return [
        *(rotation_finding(name, seen) for name in nodes),
        *server_findings(site, nodes, seen),
        *outage_findings(site, nodes, window, seen),
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
        files = await host.run(_CONFIGURATION_FILES.format(pid=reading.pid), environment={}, timeout=_LOOK)
        if files.status != 0 or not files.tail:
            return [_unread(name, "its configuration files could not be found")]
        findings = []
        for file in files.tail:
            lines: list[str] = []
            read = await host.run(
                f"cat {shlex.quote(file)}", environment={}, timeout=_LOOK, output=lines.append
            )
            if read.status != 0:
                findings.append(_unread(name, f"{file} could not be read"))
                continue
            findings += [
                Finding(_LEVELS[f.severity], f"{name} {f.file}:{f.line}", f.message, f.advice)
                for f in analyse("\n".join(lines), file, backends)
            ]
    except HostError as error:
        return [_unread(name, str(error))]
    return findings


def _unread(name: str, reason: str) -> Finding:
    return Finding(Level.WARNING, name, f"HAProxy's configuration was not looked at: {reason}")
