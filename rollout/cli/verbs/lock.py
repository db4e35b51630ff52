"""`rollout lock`: show who holds the service's lock, or break it."""

from __future__ import annotations

import argparse
import json
import sys
import time

from rollout.cli import event_loop
from rollout.cli.arguments import load_inventory
from rollout.cli.confirm import confirmed
from rollout.cli.exit_codes import REFUSED
from rollout.cli.wiring import open_site
from rollout.engine.hold import is_abandoned
from rollout.views.lock import document, line


def run(arguments: argparse.Namespace) -> int:
    if arguments.releases:
        sys.stderr.write("rollout: `rollout lock --release` is now `rollout lock --break`\n")
    return event_loop.run(_lock(arguments))


async def _lock(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    async with open_site(inventory) as site:
        place = (await site.meeting()).place
        state = await place.held()
        left_by_crash = state is not None and is_abandoned(state)
        if arguments.output == "json":
            shown = json.dumps(
                arguments.redaction.value(document(state, place.where, left_by_crash=left_by_crash))
            )
        else:
            shown = arguments.redaction.printable(
                line(inventory.service, state, place.where, time.time(), left_by_crash=left_by_crash)
            )
        sys.stdout.write(f"{shown}\n")
        if state is None or not (arguments.breaks or arguments.releases):
            return 0
        if not (arguments.yes or confirmed("break it? A deployment that is still running will halt")):
            sys.stdout.write("the lock stays\n")
            return REFUSED
        await place.drop(state.holder)
        sys.stdout.write("the lock is broken; a deployment that is still running will halt\n")
    return 0
