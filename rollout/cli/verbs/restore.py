"""`rollout restore`: bring back every node that deployments left out, if it is healthy."""

from __future__ import annotations

import argparse
import sys

from rollout.cli import event_loop
from rollout.cli.exit_codes import FAILED
from rollout.cli.journal import mark_returned
from rollout.cli.node_verbs import event_printer
from rollout.cli.session import open_session
from rollout.decisions.memory import nodes_out
from rollout.engine.by_hand import restore_node
from rollout.engine.site import survey
from rollout.errors import RolloutError
from rollout.views.restore import text


def run(arguments: argparse.Namespace) -> int:
    return event_loop.run(_restore(arguments))


async def _restore(arguments: argparse.Namespace) -> int:
    async with open_session(arguments, "restore") as session:
        record = event_printer(arguments)
        out = nodes_out(await session.memories())
        nodes = {name: left.as_progress(name) for name, left in out.items() if name in session.selected}
        failures = {}
        for name, node in nodes.items():
            try:
                await session.site.claims[name].settle(session.say, returning=True)
                await restore_node(session.site, node, await survey(session.site), record)
            except RolloutError as error:
                failures[name] = str(error)
            else:
                await mark_returned(session.journal, session.inventory.service, name)
    if arguments.output == "text":
        for line in text(tuple(nodes), failures):
            sys.stdout.write(f"{arguments.redaction.printable(line)}\n")
    return FAILED if failures else 0
