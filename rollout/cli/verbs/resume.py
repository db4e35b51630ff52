"""`rollout resume`: continue a deployment that was interrupted or halted."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from rollout.cli import event_loop
from rollout.cli.exit_codes import FAILED
from rollout.cli.first_events import deployment_resumed
from rollout.cli.run_rollback import roll_back_if_failed
from rollout.cli.session import open_session
from rollout.decisions.history import nodes_to_resume


def run(arguments: argparse.Namespace) -> int:
    return event_loop.run(_resume(arguments))


async def _resume(arguments: argparse.Namespace) -> int:
    async with open_session(arguments, "resume") as session:
        inventory = session.inventory
        last = await session.last()
        unfinished = nodes_to_resume(last, inventory)
        nodes = [name for name in unfinished if name in session.selected]
        if not nodes:
            where = f" on {', '.join(session.selected)}" if unfinished else ""
            sys.stdout.write(f"deployment {last.deployment} is done{where}: there is nothing to resume\n")
            return 0
        is_rollback = last.rollback_of is not None
        plan, seen, pages = await session.plan(
            nodes,
            last.release,
            include_out_of_rotation=arguments.include_out_of_rotation,
            done=last.done,
            in_waves=not is_rollback,
        )
        plan = dataclasses.replace(plan, releases=last.releases, back=is_rollback)
        if plan.nodes or not last.done:
            # Otherwise every node that is left is skipped, so the deployment is done.
            plan = await session.require_safe(plan, seen, pages)
        before = {name: node.previous_release for name, node in last.nodes.items()}
        code, ended = await session.deploy(
            plan,
            deployment_resumed(inventory, plan),
            previous={name: release for name, release in before.items() if release},
            settled={name: last.nodes[name].settled for name in plan.nodes},
            resumed=last,
        )
        await roll_back_if_failed(session, ended)
        return FAILED if code == 0 and arguments.fail_on_skipped and plan.skipped else code
