"""`rollout ready NODE`: put a healthy node back into rotation by hand."""

from __future__ import annotations

import argparse
import asyncio

from rollout.cli.by_hand import add_node_arguments, for_each_node
from rollout.cli.journals import last_deployment, open_journal
from rollout.engine.by_hand import ready_node
from rollout.engine.log import Recorder
from rollout.engine.site import Site, Survey
from rollout.events import NodeReturned


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(for_each_node(arguments, _ready))


async def _ready(site: Site, name: str, seen: Survey, record: Recorder) -> None:
    await ready_node(site, name, seen, record)
    _remember(site.inventory.service, name)


def _remember(service: str, name: str) -> None:
    """A node that a deployment left out is left out no longer."""
    journal = open_journal()
    try:
        last = last_deployment(journal, service)
        if last is not None and not last.running and name in {*last.left_out, *last.in_doubt}:
            journal.append(last.deployment, NodeReturned(name))
    finally:
        journal.close()
