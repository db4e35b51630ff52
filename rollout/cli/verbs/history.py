"""`rollout history`: list the deployments of a service, as the journal has them."""

from __future__ import annotations

import argparse
import json
import sys

from rollout.cli import event_loop
from rollout.cli.arguments import add_shared, load_inventory
from rollout.cli.journal import past_deployments
from rollout.cli.read_journal import journal_to_read
from rollout.cli.redaction import Redaction
from rollout.cli.wiring import open_site
from rollout.decisions.summary import Summary
from rollout.inventory import Inventory
from rollout.views.history import document, text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, output=True)
    parser.add_argument(
        "--last", metavar="N", type=_count, default=20, help="how many deployments (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    deployments = event_loop.run(_past(inventory, arguments.last, arguments.redaction))
    if arguments.output == "json":
        sys.stdout.write(json.dumps(document(deployments), indent=2) + "\n")
    else:
        for line in text(inventory.service, deployments):
            sys.stdout.write(arguments.redaction.printable(line) + "\n")
    return 0


async def _past(inventory: Inventory, latest: int, redaction: Redaction) -> list[Summary]:
    async with open_site(inventory) as site, journal_to_read(site, redaction) as (journal, _, old):
        if old:
            sys.stderr.write(f"rollout: warning: {redaction.printable(old)}\n")
        return [*(await past_deployments(journal, inventory.service, latest)).values()]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a number from 1 up")
    return int(text)
