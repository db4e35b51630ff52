"""`rollout resume`: go on with a deployment that was interrupted or halted."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys

from rollout.cli.arguments import add_common, add_included, add_outage, limit, load_inventory
from rollout.cli.choose_view import event_view
from rollout.cli.deploy_lock import RemoteControl, add_wait, hold_lock
from rollout.cli.first_events import resumed
from rollout.cli.journal import JournalRecorder, journal_of_user, last_started, left_out
from rollout.cli.redaction import is_masked
from rollout.cli.run_deployment import carry_out
from rollout.cli.run_rollback import roll_back_if_failed
from rollout.cli.wiring import open_site
from rollout.decisions.plan import select
from rollout.decisions.progress import Progress
from rollout.engine.checks.preflight import make_plan, require_safe
from rollout.errors import Refused
from rollout.inventory import Inventory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    add_outage(parser)
    add_included(parser)
    add_wait(parser)


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_resume(arguments))


async def _resume(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    chosen = select(inventory, limit(arguments))
    control = RemoteControl()
    with journal_of_user(arguments.redaction) as journal:
        async with open_site(inventory) as site, hold_lock(site, "resume", arguments.wait, control):
            last = last_started(journal, inventory.service)
            nodes = [name for name in _known(inventory, last) if name in chosen]
            if not nodes:
                sys.stdout.write(f"deployment {last.deployment} is done: there is nothing to resume\n")
                return 0
            ours = left_out(journal, inventory.service)
            back = last.rollback_of is not None
            plan, seen = await make_plan(
                site,
                nodes,
                last.release,
                ours=ours,
                include_out_of_rotation=arguments.include_out_of_rotation,
                done=last.done,
                in_waves=not back,
            )
            plan = dataclasses.replace(plan, releases=last.releases, back=back)
            if plan.nodes or not last.done:
                # Else all that is left is skipped, and with that the deployment is done.
                await require_safe(site, plan, seen, allow_outage=arguments.allow_outage)
            with event_view(arguments.output, last) as show:
                record = JournalRecorder(journal, last.deployment, arguments.redaction, show)
                for event in resumed(plan):
                    record(event)
                before = {name: node.previous_release for name, node in last.nodes.items()}
                code = await carry_out(
                    site,
                    plan,
                    last.deployment,
                    record,
                    previous={name: release for name, release in before.items() if release},
                    settled={name: last.nodes[name].settled for name in plan.nodes},
                    allow_outage=arguments.allow_outage,
                    control=control,
                )
            await roll_back_if_failed(site, journal, last.deployment, arguments, control)
            return code


def _known(inventory: Inventory, last: Progress) -> tuple[str, ...]:
    """The nodes that are not done. Raises Refused if the inventory lacks one, or the release is masked."""
    if any(map(is_masked, (last.release, *last.releases.values()))):
        raise Refused(
            f"the release of deployment {last.deployment} is also the value of a variable, "
            "which the journal does not keep",
            hint="rollout deploy --release RELEASE",
        )
    lost = [name for name in last.unfinished if name not in inventory.nodes]
    if lost:
        raise Refused(
            f"deployment {last.deployment} is not done on {', '.join(lost)}, "
            f"which {inventory.path} does not have any more"
        )
    return last.unfinished
