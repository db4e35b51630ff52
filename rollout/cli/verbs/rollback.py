"""`rollout rollback`: give the nodes back the release that they had before the last deployment."""

from __future__ import annotations

import argparse
import sys

from rollout.cli import event_loop
from rollout.cli.run_rollback import require_running, run_rollback
from rollout.cli.session import open_session
from rollout.decisions.history import nodes_to_roll_back


def run(arguments: argparse.Namespace) -> int:
    return event_loop.run(_rollback(arguments))


async def _rollback(arguments: argparse.Namespace) -> int:
    async with open_session(arguments, "rollback") as session:
        inventory = session.inventory
        if arguments.to and not await session.was_deployed():
            return await run_rollback(session, None, session.selected, to=arguments.to)
        last = await session.last()
        touched = nodes_to_roll_back(last, inventory)
        nodes = [name for name in touched if name in session.selected]
        if not nodes:
            which = f"none of {', '.join(session.selected)}" if touched else "no node"
            sys.stdout.write(f"deployment {last.deployment} touched {which}: there is nothing to roll back\n")
            return 0
        await require_running(session, last, nodes, to=arguments.to)
        return await run_rollback(session, last, nodes, to=arguments.to)
