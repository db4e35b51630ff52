"""`rollout history`: list the deployments of a service, as the journal has them."""

from __future__ import annotations

import argparse
import json
import sys

from rollout.cli.arguments import add_shared, load_inventory
from rollout.cli.journal import journal_of_user, past_deployments
from rollout.views.history import document, text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, output=True)
    parser.add_argument(
        "--last", metavar="N", type=_count, default=20, help="how many deployments (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    with journal_of_user(arguments.redaction) as journal:
        past = past_deployments(journal, inventory.service, latest=arguments.last)
    deployments = [deployment for deployment in past if deployment.started is not None]
    if arguments.output == "json":
        sys.stdout.write(json.dumps(document(deployments), indent=2) + "\n")
    else:
        for line in text(inventory.service, deployments):
            sys.stdout.write(arguments.redaction.printable(line) + "\n")
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a number from 1 up")
    return int(text)
