"""`rollout history`: list the deployments of a service, as the journal has them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from rollout.cli import event_loop
from rollout.cli.arguments import add_shared, load_inventory
from rollout.cli.journal import past_deployments
from rollout.cli.read_journal import journal_to_read
from rollout.cli.redaction import Redaction
from rollout.cli.wiring import open_site
from rollout.decisions.summary import Summary
from rollout.errors import Refused
from rollout.events import Record
from rollout.inventory import Inventory
from rollout.views.history import document, text
from rollout.views.jsonlines import JsonView
from rollout.views.plain import PlainView

_MOST_LINES = 10_000
"""Printed lines that are shown: nobody reads more, and a deployment may have printed a million."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, output=True)
    parser.add_argument(
        "--last", metavar="N", type=_count, default=20, help="how many deployments (default: %(default)s)"
    )
    parser.add_argument(
        "--printed",
        metavar="DEPLOYMENT",
        type=_count,
        help=f"show what the commands of this deployment printed, the last {_MOST_LINES} lines at most",
    )


def run(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    if arguments.printed is not None:
        view = JsonView(sys.stdout) if arguments.output == "json" else PlainView(sys.stdout)
        for record in event_loop.run(_printed(inventory, arguments.printed, arguments.redaction)):
            view.show(record)
        return 0
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


async def _printed(inventory: Inventory, number: int, redaction: Redaction) -> Sequence[Record]:
    """What the commands of a deployment printed to the deployer of this machine.

    Raises Refused for a deployment that the journal does not have.
    """
    service = inventory.service
    async with open_site(inventory) as site, journal_to_read(site, redaction) as (journal, _, _):
        if number not in await past_deployments(journal, service):
            raise Refused(f"the journal has no deployment {number} of {service}", hint="rollout history")
        return await journal.printed(number, latest=_MOST_LINES)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a number from 1 up")
    return int(text)
