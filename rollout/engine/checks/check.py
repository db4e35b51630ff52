"""All checks of `rollout check`: what a deployment needs, and what in HAProxy would hurt it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from rollout.decisions.contradictions import left_serving
from rollout.decisions.doubts import doubts
from rollout.decisions.finding import Finding, Level
from rollout.decisions.placement import require_found
from rollout.decisions.plan import out_of_rotation
from rollout.engine.checks.health_pages import judge_pages, look_at_pages
from rollout.engine.checks.machines import machine_findings
from rollout.engine.checks.on_configuration import configuration_findings
from rollout.engine.checks.on_inventory import sudo_findings
from rollout.engine.checks.on_load_balancer import (
    outage_findings,
    rotation_finding,
    server_findings,
    socket_finding,
)
from rollout.engine.checks.on_node import node_findings
from rollout.engine.checks.on_tails import tails_findings
from rollout.engine.checks.restart_check import evidence, judged
from rollout.engine.checks.standing_now import standings_now
from rollout.engine.site import Site, Survey, survey
from rollout.engine.waiting import run_all, run_both, run_many
from rollout.errors import LoadBalancerError, Refused


async def check(site: Site, nodes: Sequence[str]) -> list[Finding]:
    """All findings about `nodes` and all load balancers. A part that cannot be checked does not hide the
    others."""
    (sockets, on_nodes), (pages, (seen, servers)) = await run_both(
        run_both(
            run_all(socket_finding(site, name) for name in site.load_balancers),
            run_many(node_findings(site, name) for name in nodes),
        ),
        run_both(look_at_pages(site, nodes), _servers(site, nodes)),
    )
    known = evidence(site.inventory, seen, pages, broken=(), gets_release=site.inventory.release is not None)
    return [
        *(Finding(Level.WARNING, "inventory", doubt) for doubt in doubts(site.inventory)),
        *sudo_findings(site.inventory),
        *sockets,
        *judged(chain(*on_nodes), site.inventory, known),
        *_proof(site),
        *await judge_pages(site, pages, seen),
        *servers,
        *await tails_findings(site),
    ]


def _proof(site: Site) -> Iterator[Finding]:
    """What proves a node, where the inventory has no `health:`."""
    if site.inventory.health is None:
        proof = (
            "HAProxy's check is the only proof that a node works"
            if site.load_balancers
            else "nothing proves that a node works"
        )
        yield Finding(Level.WARNING, "inventory", f"it has no `health:`, so {proof}")


async def _servers(site: Site, nodes: Sequence[str]) -> tuple[Survey | None, list[Finding]]:
    """A survey, and findings about the nodes' servers and the load balancers' configurations."""
    if not site.load_balancers:
        window = site.inventory.strategy.window.of(len(nodes))
        unlisted = Survey((), dict.fromkeys(nodes, ()))
        return unlisted, outage_findings(site, nodes, window, unlisted, {})
    try:
        seen = await survey(site)
        require_found(site.inventory, nodes, seen.placement)
    except LoadBalancerError:
        return None, []  # the finding about its socket says so
    except Refused as error:
        return None, [Finding(Level.PROBLEM, "nodes", line, error.hint) for line in str(error).splitlines()]
    standing, machines = await run_both(standings_now(site, nodes, seen), machine_findings(site, nodes, seen))
    configurations = await run_all(
        configuration_findings(site, name, nodes, seen) for name in site.load_balancers
    )
    window = site.inventory.strategy.window.of(len(site.inventory.nodes))
    rolled = [name for name in nodes if not out_of_rotation(seen.states(name))]
    return seen, [
        *(rotation_finding(name, seen, standing) for name in nodes),
        *machines,
        *(Finding(Level.WARNING, "backends", text) for text in left_serving(seen.readings, seen.by_node())),
        *server_findings(site, nodes, seen),
        *outage_findings(site, rolled, window, seen, standing),
        *chain(*configurations),
    ]
