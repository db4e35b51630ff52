"""`rollout why`: tell what happened to one node, in words."""

from __future__ import annotations

import argparse
import json
import sys

from rollout.cli import event_loop
from rollout.cli.arguments import add_shared, load_inventory, whole_number
from rollout.cli.read_story import told_node
from rollout.views.show_document import why_document
from rollout.views.why import text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: rollout why web2 -i prod.yml"
    parser.add_argument("node", metavar="NODE", help="the node whose story is told")
    parser.add_argument(
        "--deployment",
        metavar="ID",
        type=whole_number,
        help="tell what this deployment did to it (default: the one that left it out, or touched it last)",
    )
    add_shared(parser, output=True)


def run(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    redaction, name = arguments.redaction, arguments.node
    told = event_loop.run(told_node(inventory, redaction, name, arguments.deployment))
    out = told.out.get(name)
    if arguments.output == "json":
        shown = why_document(told.story, name, out)
        sys.stdout.write(json.dumps(redaction.value(shown), indent=2) + "\n")
        return 0
    for line in text(told.story, name, out, str(inventory.path)):
        sys.stdout.write(redaction.printable(line) + "\n")
    return 0
