"""`rollout drain NODE`: take nodes out of rotation."""

from __future__ import annotations

import argparse

from rollout.cli import event_loop
from rollout.cli.node_verbs import for_each_node
from rollout.engine.by_hand import drain_node
from rollout.engine.claim import Claim, Say
from rollout.engine.log import Recorder
from rollout.engine.site import Site, Survey
from rollout.errors import HostError
from rollout.ports import Journal


def run(arguments: argparse.Namespace) -> int:
    async def drain(site: Site, journal: Journal, name: str, seen: Survey, record: Recorder) -> None:
        await drain_node(site, name, seen, record, allow_outage=arguments.allow_outage, keep=arguments.keep)

    async def claim_at_once(claim: Claim, say: Say) -> None:
        """Wait for nothing: what goes on there may be why the node is to be drained."""
        try:
            for orphan in await claim.make(returning=False):
                say(f"the {orphan} still runs on the node")
        except HostError as error:
            say(f"{error}; what still runs there is not known")

    return event_loop.run(for_each_node(arguments, "drain", claim_at_once, drain))
