"""`rollout plan`: what deploy would do."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rollout.cli.arguments import add_common, add_included, limit, load_inventory
from rollout.cli.journal import left_out, open_journal
from rollout.cli.wiring import open_site
from rollout.decisions.plan import Plan, select
from rollout.decisions.preview import PlannedLine, node_lines, upload_line
from rollout.domain import Step
from rollout.engine.checks.findings import Finding, Level, outage_findings, refusals
from rollout.engine.checks.preflight import make_plan
from rollout.inventory import Inventory
from rollout.inventory.hooks import HOOKS
from rollout.inventory.model import PARALLEL
from rollout.views.text import count

_SPREAD = {"zones": ", spread over zones", "within": ", zone by zone"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.add_argument("--release", metavar="RELEASE", help="without it, this is a rolling restart")
    add_included(parser)


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_plan(arguments))


async def _plan(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    nodes = select(inventory, limit(arguments))
    journal = open_journal(arguments.redaction)
    try:
        ours = left_out(journal, inventory.service)
    finally:
        journal.close()
    async with open_site(inventory) as site:
        plan, seen = await make_plan(
            site,
            nodes,
            arguments.release,
            ours=ours,
            include_out_of_rotation=arguments.include_out_of_rotation,
        )
        findings = outage_findings(site, plan.nodes, plan.window, seen)
    checked = seen.checked()
    told = {
        name: node_lines(inventory, plan.release, name, plan.placement[name], checked, plan.before)
        for name in plan.nodes
    }
    if arguments.output == "json":
        shown = json.dumps(arguments.redaction.value(_document(plan, inventory, told, findings)), indent=2)
        sys.stdout.write(shown + "\n")
    else:
        for line in _text(plan, inventory, told, findings):
            sys.stdout.write(arguments.redaction.printable(line) + "\n")
    return 0


def _text(
    plan: Plan, inventory: Inventory, told: dict[str, tuple[PlannedLine, ...]], findings: Sequence[Finding]
) -> Iterator[str]:
    pace = "one at a time" if plan.window == 1 else f"{plan.window} at a time"
    canary = f", canary {', '.join(plan.nodes[: plan.canary])}" if plan.canary else ""
    sizes = f", in waves of {', '.join(map(str, plan.waves))}" if len(plan.waves) > 2 else ""
    spread = _SPREAD.get(inventory.strategy.spread or "", "")
    what = plan.release or "rolling restart"
    yield f"{plan.service} {what} → {count(len(plan.nodes), 'node')} · {pace}{spread}{canary}{sizes}"
    for name, reason in plan.skipped.items():
        yield f"skipped: {name}: {reason}"
    for warning in plan.warnings:
        yield f"warning: {warning}"
    for found in findings:
        word = "deploy would be refused" if found.level is Level.PROBLEM else "warning"
        yield f"{word}: {found.subject}: {found.text}"
    for least in plan.capacity:
        must = f", {least.floor} must" if inventory.strategy.min_ready is not None else ""
        yield f"{least.load_balancer} {least.backend}: {least.least} of {least.now} servers stay ready{must}"
    yield from _hooks(inventory, "\n", "before_deploy")
    prepare = inventory.prepare if plan.release is not None else None
    uploads = [(name, text) for name in plan.nodes if (text := upload_line(inventory, plan.release, name))]
    if prepare is not None or uploads:
        yield f"\nbefore anything is drained, on {prepare.parallel if prepare else PARALLEL} nodes at once:"
    for name, text in uploads:
        yield f"  prepare  {name} gets {text}, unless it has it"
    if prepare is not None:
        yield f"  prepare  $ {prepare.command.strip()}"
    for number, name in enumerate(plan.nodes, start=1):
        servers = ", ".join(map(str, plan.placement[name])) or "no load balancer is listed"
        node = inventory.nodes[name]
        where = f"{node.host}, zone {node.zone}" if node.zone is not None else node.host
        yield f"\n{number}. {name} ({where}): {servers}"
        yield from _hooks(inventory, "  ", "before_node")
        for line in told[name]:
            prompt = "$" if line.target == name else f"{line.target}>"
            yield f"  {line.step:8} {prompt} {line.text.strip()}"
        yield from _hooks(inventory, "  ", "after_node")
    if endings := [*_hooks(inventory, "", "on_failure", "after_deploy")]:
        yield ""
        yield from endings


def _hooks(inventory: Inventory, before: str, *names: str) -> Iterator[str]:
    for name in names:
        if hook := inventory.hooks.named(name):
            prompt = "$" if hook.on == "node" else f"{hook.on}>"
            yield f"{before}{name:8} {prompt} {hook.command.strip()}"


def _document(
    plan: Plan, inventory: Inventory, told: dict[str, tuple[PlannedLine, ...]], findings: Sequence[Finding]
) -> dict[str, Any]:
    prepare = inventory.prepare if plan.release is not None else None
    return {
        "service": plan.service,
        "release": plan.release,
        "window": plan.window,
        "canary": plan.canary,
        "waves": list(plan.waves),
        "spread": inventory.strategy.spread,
        "skipped": dict(plan.skipped),
        "warnings": list(plan.warnings),
        "refusals": [f"{found.subject}: {found.text}" for found in refusals(findings)],
        "capacity": [dataclasses.asdict(capacity) for capacity in plan.capacity],
        "hooks": {name: hook.model_dump() for name in HOOKS if (hook := inventory.hooks.named(name))},
        Step.PREPARE.value: None if prepare is None else prepare.command,
        "nodes": [
            {
                "name": name,
                "zone": inventory.nodes[name].zone,
                "servers": [
                    {"load_balancer": s.load_balancer, "backend": s.backend, "server": s.name}
                    for s in plan.placement[name]
                ],
                "sent": upload_line(inventory, plan.release, name),
                "lines": [{"step": x.step.value, "target": x.target, "line": x.text} for x in told[name]],
            }
            for name in plan.nodes
        ],
    }
