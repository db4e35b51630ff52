"""`rollout deploy`: roll a release over the nodes."""

from __future__ import annotations

import argparse
import asyncio

from rollout.cli.arguments import add_common, add_included, add_outage, limit, load_inventory
from rollout.cli.choose_view import event_view
from rollout.cli.deploy_lock import RemoteControl, add_wait, hold_lock
from rollout.cli.first_events import begun
from rollout.cli.journal import JournalRecorder, journal_of_user, known_releases, left_out
from rollout.cli.run_deployment import carry_out
from rollout.cli.run_rollback import roll_back_if_failed, without_way_back
from rollout.cli.wiring import open_site
from rollout.decisions.plan import select
from rollout.engine.checks.preflight import make_plan, previous_releases, require_safe
from rollout.engine.waiting import both


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.add_argument("--release", metavar="RELEASE", help="without it, this is a rolling restart")
    add_outage(parser)
    add_included(parser)
    add_wait(parser)


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_deploy(arguments))


async def _deploy(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    nodes = select(inventory, limit(arguments))
    purpose = arguments.redaction.text(f"deploy {arguments.release}" if arguments.release else "restart")
    control = RemoteControl()
    with journal_of_user(arguments.redaction) as journal:
        async with (
            open_site(inventory) as site,
            site.connecting(nodes),
            hold_lock(site, purpose, arguments.wait, control),
        ):
            ours = left_out(journal, inventory.service)
            (plan, seen), reported = await both(
                make_plan(
                    site,
                    nodes,
                    arguments.release,
                    ours=ours,
                    include_out_of_rotation=arguments.include_out_of_rotation,
                ),
                previous_releases(site, nodes),
            )
            await require_safe(site, plan, seen, allow_outage=arguments.allow_outage)
            previous = {**known_releases(journal, inventory.service), **reported}
            number = journal.begin(inventory.service)
            with event_view(arguments.output) as show:
                record = JournalRecorder(journal, number, arguments.redaction, show)
                for event in (
                    *begun(inventory, plan, seen, previous),
                    *without_way_back(plan, inventory, previous),
                ):
                    record(event)
                code = await carry_out(
                    site,
                    plan,
                    number,
                    record,
                    previous=previous,
                    settled={},
                    allow_outage=arguments.allow_outage,
                    control=control,
                )
            await roll_back_if_failed(site, journal, number, arguments, control)
            return code
