"""`rollout status`: show the state of every node and server now, and of the last deployment."""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import aclosing

from rollout.cli import event_loop
from rollout.cli.arguments import add_shared, limit, load_inventory
from rollout.cli.read_journal import Known, journal_changes, read_journal
from rollout.cli.redaction import Redaction
from rollout.cli.wiring import open_site
from rollout.decisions.node_state import SiteStatus
from rollout.decisions.plan import select
from rollout.decisions.rejoined import rejoined
from rollout.engine.checks.status import site_status
from rollout.engine.waiting import run_both
from rollout.inventory import Inventory
from rollout.views.next_commands import command_line
from rollout.views.status import (
    advice,
    contradictions,
    deployment_line,
    document,
    left_out_lines,
    table,
)

_PACE = 1.0
"""Seconds between two looks of `--watch`."""
_HOME_AND_CLEAR = "\x1b[H\x1b[J"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, limit=True, output=True)
    parser.add_argument("--watch", action="store_true", help="refresh every second, until Ctrl-C")


def run(arguments: argparse.Namespace) -> int:
    event_loop.run(_status(arguments))
    return 0


async def _status(arguments: argparse.Namespace) -> None:
    inventory = load_inventory(arguments)
    nodes = select(inventory, limit(arguments))
    in_place = arguments.watch and arguments.output == "text" and sys.stdout.isatty()
    redaction = arguments.redaction

    def show(status: SiteStatus, known: Known) -> None:
        shown = _text(inventory, status, known, arguments.output, redaction)
        sys.stdout.write((_HOME_AND_CLEAR if in_place else "") + shown + "\n")
        sys.stdout.flush()

    async with open_site(inventory) as site:
        status, known = await run_both(site_status(site, nodes), read_journal(site, redaction))
        known.warn()
        show(status, known)
        if not arguments.watch:
            return
        async with aclosing(journal_changes(site, _PACE)) as changes:
            async for changed in changes:
                if changed:
                    status, known = await run_both(site_status(site, nodes), read_journal(site, redaction))
                else:
                    status = await site_status(site, nodes)
                show(status, known)


def _text(inventory: Inventory, status: SiteStatus, known: Known, output: str, redaction: Redaction) -> str:
    """The text of one look."""
    service, path = inventory.service, str(inventory.path)
    deployment = known.last
    state = _state(known)
    left_out = {
        name: out
        for name, out in known.out.items()
        # While a deployment runs, its own nodes are in its hands.
        if name in inventory.nodes
        and not (state == "running" and deployment is not None and out.deployment == deployment.deployment)
    }
    back = rejoined(left_out, status)
    if output == "json":
        whole = document(service, status, deployment, state, left_out, back)
        return json.dumps({**redaction.value(whole), "journal_error": known.error or None})
    line = "" if known.error else deployment_line(deployment, state, time.time(), left_out, back)
    if state == "interrupted":
        # Whoever comes after a job that was killed must not have to read on.
        line += f"; to continue: {command_line('resume', path)}"
    lines = [
        *contradictions(back, path),
        *table(service, status, line, deployment),
        *left_out_lines(left_out),
        *advice(deployment, state, path, left_out),
    ]
    return "\n".join(map(redaction.printable, lines))


def _state(known: Known) -> str:
    """`running`, `interrupted`, or the outcome; empty if nothing was deployed yet."""
    if known.last is None:
        return ""
    if known.last.outcome is not None:
        return known.last.outcome.value
    return "running" if known.running else "interrupted"
