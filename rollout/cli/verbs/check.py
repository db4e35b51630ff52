"""`rollout check`: find out whether a deploy has everything that it needs, before you start one."""

from __future__ import annotations

import argparse
import json
import sys

from rollout.cli import event_loop
from rollout.cli.arguments import limit, load_inventory
from rollout.cli.check_state import state_finding
from rollout.cli.exit_codes import REFUSED
from rollout.cli.wiring import open_site
from rollout.decisions.finding import Finding, refusals
from rollout.decisions.plan import select
from rollout.engine.checks.check import check
from rollout.engine.waiting import run_both
from rollout.views.check import document, text


def run(arguments: argparse.Namespace) -> int:
    findings = event_loop.run(_check(arguments))
    if arguments.output == "json":
        sys.stdout.write(json.dumps(arguments.redaction.value(document(findings)), indent=2) + "\n")
    else:
        for line in text(findings, quiet=arguments.amount == "little"):
            sys.stdout.write(arguments.redaction.printable(line) + "\n")
    return REFUSED if refusals(findings) else 0


async def _check(arguments: argparse.Namespace) -> list[Finding]:
    inventory = load_inventory(arguments)
    nodes = select(inventory, limit(arguments))
    async with open_site(inventory) as site:
        state, findings = await run_both(state_finding(site), check(site, nodes))
        return [state, *findings]
