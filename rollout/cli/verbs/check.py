"""`rollout check`: prove beforehand what a deploy needs."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from rollout.cli.arguments import add_common, limit, load_inventory
from rollout.cli.exit_codes import REFUSED
from rollout.cli.wiring import open_site
from rollout.decisions.finding import Finding, Level, refusals
from rollout.decisions.plan import select
from rollout.engine.checks.check import check
from rollout.views.text import count

_MARKS = {Level.OK: "✓", Level.NOTE: "·", Level.WARNING: "!", Level.PROBLEM: "✗"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    findings = asyncio.run(_check(arguments))
    if arguments.output == "json":
        document = [
            {"level": found.level.value, "subject": found.subject, "text": found.text, "hint": found.hint}
            for found in findings
        ]
        sys.stdout.write(json.dumps(arguments.redaction.value(document), indent=2) + "\n")
    else:
        for line in _text(findings):
            sys.stdout.write(arguments.redaction.printable(line) + "\n")
    return REFUSED if refusals(findings) else 0


async def _check(arguments: argparse.Namespace) -> list[Finding]:
    inventory = load_inventory(arguments)
    nodes = select(inventory, limit(arguments))
    async with open_site(inventory) as site:
        return await check(site, nodes)


def _text(findings: Sequence[Finding]) -> list[str]:
    width = max((len(found.subject) for found in findings), default=0)
    lines = []
    subjects = list(dict.fromkeys(found.subject for found in findings))
    for found in sorted(findings, key=lambda found: subjects.index(found.subject)):
        lines.append(f"{_MARKS[found.level]} {found.subject:{width}}  {found.text}")
        if found.hint and found.level is not Level.OK:
            lines.append(f"  {'':{width}}  → {found.hint}")
    problems, warnings = (sum(f.level is level for f in findings) for level in (Level.PROBLEM, Level.WARNING))
    verdict = "a deploy would be refused" if problems else "a deploy can begin"
    lines.append(f"{verdict}: {count(problems, 'problem')}, {count(warnings, 'warning')}")
    return lines
