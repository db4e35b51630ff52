"""`rollout deploy`: roll a release over the nodes."""

from __future__ import annotations

import argparse
import asyncio

from rollout.cli.arguments import add_included, add_outage, add_release, add_shared
from rollout.cli.deploy_lock import add_wait
from rollout.cli.first_events import deployment_started
from rollout.cli.run_rollback import no_way_back, roll_back_if_failed
from rollout.cli.session import open_session
from rollout.decisions.history import known_releases
from rollout.engine.checks.preflight import previous_releases
from rollout.engine.waiting import run_both


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: rollout deploy -i prod.yml --release 1.4.2"
    add_shared(parser, limit=True, output=True)
    add_release(parser)
    add_outage(parser)
    add_included(parser)
    add_wait(parser)


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_deploy(arguments))


async def _deploy(arguments: argparse.Namespace) -> int:
    purpose = f"deploy {arguments.release}" if arguments.release else "restart"
    async with open_session(arguments, purpose, connect=True) as session:
        inventory, nodes = session.inventory, session.selected
        included = arguments.include_out_of_rotation
        (plan, seen), reported = await run_both(
            session.plan(nodes, arguments.release, include_out_of_rotation=included),
            previous_releases(session.site, nodes),
        )
        await session.require_safe(plan, seen)
        previous = {**known_releases(session.past()), **reported}
        number = session.journal.begin(inventory.service)
        first = (
            *deployment_started(inventory, plan, seen, previous),
            *no_way_back(plan, inventory, previous),
        )
        code = await session.deploy(plan, number, first, previous=previous)
        await roll_back_if_failed(session, number)
        return code
