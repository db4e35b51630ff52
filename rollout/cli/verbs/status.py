"""`rollout status`: show the state of every node and server now, and of the last deployment."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time

from rollout.cli import event_loop
from rollout.cli.arguments import add_shared, limit, load_inventory
from rollout.cli.journal import is_alive, journal_of_user, last_deployment
from rollout.cli.redaction import Redaction
from rollout.cli.wiring import open_site
from rollout.decisions.plan import select
from rollout.decisions.progress import Progress
from rollout.engine.checks.status import site_status
from rollout.engine.site import Site
from rollout.ports import Journal
from rollout.views.status import advice, deployment_line, document, table

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
    with journal_of_user(arguments.redaction) as journal:
        async with open_site(inventory) as site:
            while True:
                shown = await _look(site, nodes, journal, arguments.output, arguments.redaction)
                sys.stdout.write((_HOME_AND_CLEAR if in_place else "") + shown + "\n")
                sys.stdout.flush()
                if not arguments.watch:
                    return
                await asyncio.sleep(_PACE)


async def _look(
    site: Site, nodes: tuple[str, ...], journal: Journal, output: str, redaction: Redaction
) -> str:
    status = await site_status(site, nodes)
    service = site.inventory.service
    deployment = last_deployment(journal, service)
    state = _state(deployment)
    if output == "json":
        return json.dumps(redaction.value(document(service, status, deployment, state)))
    lines = [
        *table(service, status, deployment_line(deployment, state, time.time()), deployment),
        *advice(deployment, state, str(site.inventory.path)),
    ]
    return "\n".join(map(redaction.printable, lines))


def _state(deployment: Progress | None) -> str:
    """`running`, `interrupted`, or the outcome; empty if nothing was deployed yet."""
    if deployment is None:
        return ""
    if deployment.outcome is not None:
        return deployment.outcome.value
    return "running" if is_alive(deployment) else "interrupted"
