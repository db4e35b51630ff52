"""`rollout rollback`: put back the release that the nodes had before the last deployment."""

from __future__ import annotations

import argparse
import asyncio
import sys

from rollout.cli.arguments import add_common, add_outage, limit, load_inventory
from rollout.cli.deploy_lock import RemoteControl, add_wait, hold_lock
from rollout.cli.journal import journal_of_user, last_started
from rollout.cli.run_rollback import roll_back
from rollout.cli.wiring import open_site
from rollout.decisions.plan import select
from rollout.decisions.progress import Progress
from rollout.errors import Refused
from rollout.inventory import Inventory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.add_argument(
        "--to", metavar="RELEASE", help="which release (that which each node had before the deployment)"
    )
    add_outage(parser)
    add_wait(parser)


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_rollback(arguments))


async def _rollback(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    chosen = select(inventory, limit(arguments))
    control = RemoteControl()
    with journal_of_user(arguments.redaction) as journal:
        async with open_site(inventory) as site, hold_lock(site, "rollback", arguments.wait, control):
            last = last_started(journal, inventory.service)
            nodes = [name for name in _touched(inventory, last) if name in chosen]
            if not nodes:
                sys.stdout.write(f"deployment {last.deployment} touched no node: nothing to roll back\n")
                return 0
            return await roll_back(site, journal, last, nodes, arguments, control, to=arguments.to)


def _touched(inventory: Inventory, last: Progress) -> tuple[str, ...]:
    """Raises Refused where there is nothing that could be taken back."""
    if last.rollback_of is not None:
        raise Refused(
            f"deployment {last.deployment} was itself the rollback of deployment {last.rollback_of}",
            hint="rollout resume goes on with it; rollout deploy --release RELEASE puts on any other",
        )
    if last.release is None:
        raise Refused(f"deployment {last.deployment} was a restart: it changed no release")
    lost = [name for name in last.touched if name not in inventory.nodes]
    if lost:
        raise Refused(
            f"deployment {last.deployment} touched {', '.join(lost)}, "
            f"which {inventory.path} does not have any more"
        )
    return last.touched
