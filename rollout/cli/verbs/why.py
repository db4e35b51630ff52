"""`rollout why`: tell what happened to one node, in words."""

from __future__ import annotations

import argparse
import json
import sys

from rollout.cli import event_loop
from rollout.cli.arguments import load_inventory
from rollout.cli.read_story import told_node
from rollout.views.show_document import why_document
from rollout.views.why import text


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
