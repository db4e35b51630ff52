"""`rollout restore`: bring every node that deployments left out back, if it is healthy."""

from __future__ import annotations

import argparse
import asyncio
import sys

from rollout.cli.arguments import add_common, limit, load_inventory
from rollout.cli.deploy_lock import RemoteControl, add_wait, hold_lock
from rollout.cli.exit_codes import FAILED
from rollout.cli.journal import journal_of_user, left_out, mark_returned
from rollout.cli.node_verbs import event_printer
from rollout.cli.wiring import open_site
from rollout.decisions.plan import select
from rollout.engine.by_hand import restore_node
from rollout.engine.site import survey
from rollout.errors import RolloutError
from rollout.views.text import count


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    add_wait(parser)


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_restore(arguments))


async def _restore(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    chosen = select(inventory, limit(arguments))
    record = event_printer(arguments)
    out = []
    with journal_of_user(arguments.redaction) as journal:
        async with open_site(inventory) as site, hold_lock(site, "restore", arguments.wait, RemoteControl()):
            nodes = {
                name: node for name, node in left_out(journal, inventory.service).items() if name in chosen
            }
            for name, node in nodes.items():
                try:
                    await restore_node(site, node, await survey(site), record)
                except RolloutError as error:
                    out.append(f"{name} stays out: {error}")
                else:
                    mark_returned(journal, inventory.service, name)
    if arguments.output == "text":
        back = len(nodes) - len(out)
        told = [f"{count(back, 'node')} back in rotation" if nodes else "no node was left out", *out]
        sys.stdout.writelines(f"{arguments.redaction.printable(line)}\n" for line in told)
    return FAILED if out else 0
