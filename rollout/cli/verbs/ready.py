"""`rollout ready NODE`: put healthy nodes back into rotation."""

from __future__ import annotations

import argparse
import asyncio

from rollout.cli.journal import journal_of_user, mark_returned, past_deployments
from rollout.cli.node_verbs import add_node_arguments, for_each_node
from rollout.decisions.history import left_out
from rollout.engine.by_hand import make_ready
from rollout.engine.claim import Claim, Say
from rollout.engine.log import Recorder
from rollout.engine.site import Site, Survey


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: rollout ready -i prod.yml web2"
    add_node_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    async def ready(site: Site, name: str, seen: Survey, record: Recorder) -> None:
        with journal_of_user(arguments.redaction) as journal:
            noted = left_out(past_deployments(journal, site.inventory.service)).get(name)
            await make_ready(site, name, noted, seen, record)
            mark_returned(journal, site.inventory.service, name)

    async def at_rest(claim: Claim, say: Say) -> None:
        await claim.settle(say, returning=True)

    return asyncio.run(for_each_node(arguments, "ready", at_rest, ready))
