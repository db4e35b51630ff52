"""`rollout plan`: show what a deploy would do, and touch nothing."""

from __future__ import annotations

import argparse
import json
import sys

from rollout.cli import event_loop
from rollout.cli.arguments import limit, load_inventory
from rollout.cli.exit_codes import REFUSED
from rollout.cli.read_journal import read_journal
from rollout.cli.wiring import open_site
from rollout.decisions.durations import Durations
from rollout.decisions.finding import refusals
from rollout.decisions.plan import select
from rollout.decisions.preview import node_lines
from rollout.engine.checks.preflight import make_plan, preflight
from rollout.engine.rotation.twins import twins_to_add
from rollout.views.plan import PlanView


def run(arguments: argparse.Namespace) -> int:
    view = event_loop.run(_plan(arguments))
    if arguments.output == "json":
        sys.stdout.write(json.dumps(arguments.redaction.value(view.document()), indent=2) + "\n")
    else:
        for line in view.text():
            sys.stdout.write(arguments.redaction.printable(line) + "\n")
    return REFUSED if refusals(view.findings) else 0


async def _plan(arguments: argparse.Namespace) -> PlanView:
    inventory = load_inventory(arguments)
    nodes = select(inventory, limit(arguments))
    async with open_site(inventory) as site:
        known = await read_journal(site, arguments.redaction, last=False)
        known.warn()
        ours = {name: out.as_progress(name) for name, out in known.to_mend.items()}
        plan, seen = await make_plan(
            site,
            nodes,
            arguments.release,
            ours=ours,
            include_out_of_rotation=arguments.include_out_of_rotation,
            allow_outage=arguments.allow_outage,
            durations=None if inventory.strategy.order == "inventory" else Durations.of(known.last),
        )
        findings = await preflight(
            site,
            plan,
            seen,
            allow_outage=arguments.allow_outage,
            allow_unhealthy=arguments.allow_unhealthy,
        )
        servers = frozenset(server for name in plan.nodes for server in plan.placement[name])
        twins = await twins_to_add(site.twin_paths, seen.readings, servers)
    checked = seen.checked()
    lines = {
        name: node_lines(inventory, plan.release, name, plan.placement[name], checked, plan.before, twins)
        for name in plan.nodes
    }
    return PlanView(inventory, plan, lines, findings)
