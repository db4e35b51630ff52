"""`rollout show`: tell one deployment in full."""

from __future__ import annotations

import argparse
import json
import sys

from rollout.cli import event_loop
from rollout.cli.arguments import load_inventory
from rollout.cli.read_story import told_deployment
from rollout.decisions.history import require_known_node
from rollout.views.show import output, text
from rollout.views.show_document import document, node_document


def run(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    redaction, node = arguments.redaction, arguments.output_of
    told = event_loop.run(told_deployment(inventory, redaction, arguments.deployment, output_of=node or ""))
    if node is not None:
        require_known_node(node, told.story.nodes, f"deployment {told.story.progress.deployment}")
    if arguments.output == "json":
        shown = (
            document(told.story, told.later, running=told.running)
            if node is None
            else node_document(told.story, told.story.nodes[node])
        )
        sys.stdout.write(json.dumps(redaction.value(shown), indent=2) + "\n")
        return 0
    lines = (
        text(told.story, told.later, running=told.running, elsewhere=told.elsewhere)
        if node is None
        else output(told.story, node)
    )
    for line in lines:
        sys.stdout.write(redaction.printable(line) + "\n")
    return 0
