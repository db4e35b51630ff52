"""`rollout history`: list the deployments of a service, as the journal has them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from rollout.cli import event_loop
from rollout.cli.arguments import load_inventory
from rollout.cli.command_line.verbs.history import LAST, MOST_LINES
from rollout.cli.earlier import printed_of
from rollout.cli.journal import past_deployments
from rollout.cli.read_journal import journal_to_read, warn_of_old
from rollout.cli.read_story import nodes_of
from rollout.cli.redaction import Redaction
from rollout.cli.wiring import open_site
from rollout.decisions.history import require_known, require_known_node
from rollout.decisions.summary import Summary
from rollout.events import Record
from rollout.inventory import Inventory
from rollout.views.history import document, nothing, text
from rollout.views.jsonlines import JsonView
from rollout.views.plain import PlainView


def run(arguments: argparse.Namespace) -> int:
    inventory, redaction = load_inventory(arguments), arguments.redaction
    if arguments.printed is not None:
        view = JsonView(sys.stdout) if arguments.output == "json" else PlainView(sys.stdout)
        for record in event_loop.run(_printed(inventory, arguments.printed, redaction)):
            view.show(record)
        return 0
    node, since = arguments.node or "", arguments.since or 0.0
    deployments = event_loop.run(_past(inventory, arguments.last, since, node, redaction))
    if arguments.output == "json":
        sys.stdout.write(json.dumps(document(deployments), indent=2) + "\n")
        return 0
    asked_for = " ".join([*([f"of {node}"] if node else []), *(["began since then"] if since else [])])
    lines = (
        text(deployments, node)
        if deployments
        else nothing(inventory.service, str(inventory.path), asked_for=asked_for)
    )
    for line in lines:
        sys.stdout.write(redaction.printable(line) + "\n")
    return 0


async def _past(
    inventory: Inventory, last: int | None, since: float, node: str, redaction: Redaction
) -> list[Summary]:
    """The deployments that began `since` a Unix time, those of `node` if one is named; of these the `last`.

    Raises UsageError for a node that nobody knows.
    """
    number = None if since or node else last or LAST
    async with open_site(inventory) as site, journal_to_read(site, redaction, number) as (journal, _, old):
        warn_of_old(old, redaction)
        found = [
            summary
            for summary in (await past_deployments(journal, inventory.service, number)).values()
            if (summary.started or 0.0) >= since
        ]
        if node:
            known = [replace(summary, nodes=await nodes_of(journal, summary)) for summary in found]
            names = {*inventory.nodes, *(name for summary in known for name in summary.nodes)}
            require_known_node(node, names, inventory.service)
            found = [summary for summary in known if node in summary.nodes]
        return found[-last:] if last else found if since else found[-LAST:]


async def _printed(inventory: Inventory, number: int, redaction: Redaction) -> Sequence[Record]:
    """What the commands of a deployment printed to the deployer of this machine.

    Raises Refused for a deployment that the journal does not have.
    """
    service = inventory.service
    async with open_site(inventory) as site, journal_to_read(site, redaction, None) as (journal, _, _):
        past = await past_deployments(journal, service)
        require_known(number, past, service)
        meeting = await site.meeting()
        return await printed_of(past[number], MOST_LINES, "", journal, inventory, meeting, redaction)
