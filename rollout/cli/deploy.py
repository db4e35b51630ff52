"""`rollout deploy`: roll a release over the nodes."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping

from rollout.cli.arguments import add_common, add_included, limit, load_inventory
from rollout.cli.carrying_out import carry_out
from rollout.cli.journals import Recorder, journal_of_user, left_out, started
from rollout.cli.locks import Brake, add_wait, hold_lock
from rollout.cli.showing import event_view
from rollout.cli.wiring import open_site
from rollout.engine.preflight import make_plan, previous_releases, require_safe
from rollout.engine.site import Survey
from rollout.engine.waiting import both
from rollout.events import ReleaseNoted, ServerNoted, Warned
from rollout.plan import Plan, select


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.add_argument("--release", metavar="RELEASE", help="without it, this is a rolling restart")
    add_outage(parser)
    add_included(parser)
    add_wait(parser)


def add_outage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-outage", action="store_true", help="take even the last server of a backend out of rotation"
    )


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_deploy(arguments))


async def _deploy(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    nodes = select(inventory, limit(arguments))
    purpose = arguments.redaction.text(f"deploy {arguments.release}" if arguments.release else "restart")
    brake = Brake()
    with journal_of_user(arguments.redaction) as journal:
        async with (
            open_site(inventory) as site,
            site.connecting(nodes),
            hold_lock(site, purpose, arguments.wait, brake),
        ):
            ours = left_out(journal, inventory.service)
            (plan, seen), previous = await both(
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
            number = journal.begin(inventory.service)
            with event_view(arguments.output) as show:
                record = Recorder(journal, number, arguments.redaction, show)
                record(started(plan, str(inventory.path)))
                for event in _noted(plan, seen, previous):
                    record(event)
                return await carry_out(
                    site,
                    plan,
                    number,
                    record,
                    previous=previous,
                    settled={},
                    allow_outage=arguments.allow_outage,
                    brake=brake,
                )


def _noted(
    plan: Plan, seen: Survey, previous: Mapping[str, str]
) -> list[ServerNoted | ReleaseNoted | Warned]:
    """What is as it is before anything is touched."""
    servers = [
        ServerNoted(
            node=name,
            load_balancer=state.server.load_balancer,
            backend=state.server.backend,
            server=state.server.name,
            admin=int(plan.before[state.server].admin),
            weight=plan.before[state.server].weight,
            status=state.status,
        )
        for name in plan.nodes
        for state in seen.states(name)
    ]
    releases = [ReleaseNoted(name, previous[name]) for name in plan.nodes if name in previous]
    return [*servers, *releases, *warned(plan)]


def warned(plan: Plan) -> list[Warned]:
    """What should be known of a plan before it is carried out."""
    skipped = [Warned(f"skipped: {reason}", node=name) for name, reason in plan.skipped.items()]
    return [*skipped, *map(Warned, plan.warnings)]
