"""`rollout ready NODE`: put healthy nodes back into rotation."""

from __future__ import annotations

import argparse

from rollout.cli import event_loop
from rollout.cli.journal import mark_returned, node_memories
from rollout.cli.node_verbs import for_each_node
from rollout.decisions.memory import nodes_out
from rollout.engine.by_hand import make_ready
from rollout.engine.claim import Claim, Say
from rollout.engine.log import Recorder
from rollout.engine.site import Site, Survey
from rollout.ports import Journal


def run(arguments: argparse.Namespace) -> int:
    async def ready(site: Site, journal: Journal, name: str, seen: Survey, record: Recorder) -> None:
        service = site.inventory.service
        out = nodes_out(await node_memories(journal, service)).get(name)
        noted = None if out is None else out.as_progress(name)
        await make_ready(site, name, noted, seen, record)
        await mark_returned(journal, service, name)

    async def at_rest(claim: Claim, say: Say) -> None:
        await claim.settle(say, returning=True)

    return event_loop.run(for_each_node(arguments, "ready", at_rest, ready))
