"""`rollout deploy`: roll a release over the nodes."""

from __future__ import annotations

import argparse
import sys

from rollout.cli import event_loop
from rollout.cli.arguments import limit, load_inventory
from rollout.cli.confirm import confirmed, on_terminal
from rollout.cli.exit_codes import FAILED, REFUSED
from rollout.cli.first_events import deployment_started
from rollout.cli.run_rollback import no_way_back, roll_back_if_failed
from rollout.cli.session import open_session
from rollout.decisions.memory import known_releases
from rollout.decisions.plan import select
from rollout.engine.checks.health_pages import reported_releases
from rollout.views.text import count


def run(arguments: argparse.Namespace) -> int:
    if arguments.release is None and on_terminal() and not (arguments.yes or _restart_is_meant(arguments)):
        sys.stdout.write("nothing was touched\n")
        return REFUSED
    return event_loop.run(_deploy(arguments))


def _restart_is_meant(arguments: argparse.Namespace) -> bool:
    """Ask if a deployment without a release is a restart; it may be one whose release was forgotten."""
    inventory = load_inventory(arguments)
    nodes = count(len(select(inventory, limit(arguments))), "node")
    question = f"no --release is given: restart {inventory.service} on {nodes}, with the release they have?"
    return confirmed(arguments.redaction.printable(question))


async def _deploy(arguments: argparse.Namespace) -> int:
    purpose = f"deploy {arguments.release}" if arguments.release else "restart"
    async with open_session(arguments, purpose, connect=True) as session:
        inventory, nodes = session.inventory, session.selected
        included = arguments.include_out_of_rotation
        plan, seen, pages = await session.plan(
            nodes,
            arguments.release,
            include_out_of_rotation=included,
            durations=await session.durations(),
        )
        plan = await session.require_safe(plan, seen, pages)
        previous = {**known_releases(await session.memories()), **reported_releases(pages)}
        first = (
            *deployment_started(inventory, plan, seen, previous),
            *no_way_back(plan, inventory, previous),
        )
        code, ended = await session.deploy(plan, first, previous=previous)
        await roll_back_if_failed(session, ended)
        return FAILED if code == 0 and arguments.fail_on_skipped and plan.skipped else code
