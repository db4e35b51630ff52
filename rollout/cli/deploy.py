"""`rollout deploy`: roll a release over the nodes."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Mapping

from rollout.cli.arguments import add_common, limit, load_inventory
from rollout.cli.journals import Recorder, left_out, open_journal, started
from rollout.cli.main import FAILED, INTERRUPTED
from rollout.cli.showing import event_view
from rollout.cli.wiring import open_site
from rollout.domain import Outcome
from rollout.engine.deployment import Deployment
from rollout.engine.preflight import make_plan, previous_releases, require_safe
from rollout.engine.site import Survey
from rollout.engine.waiting import both
from rollout.errors import JournalError
from rollout.events import ReleaseNoted, ServerNoted, Warned
from rollout.plan import Plan, select

_EXIT_CODES = {Outcome.DONE: 0, Outcome.FAILED: FAILED, Outcome.INTERRUPTED: INTERRUPTED}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.add_argument("--release", metavar="RELEASE", help="without it, this is a rolling restart")
    parser.add_argument(
        "--allow-outage", action="store_true", help="take even the last server of a backend out of rotation"
    )


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_deploy(arguments))


async def _deploy(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    nodes = select(inventory, limit(arguments))
    async with open_site(inventory) as site:
        journal = open_journal()
        try:
            ours = left_out(journal, inventory.service)
            (plan, seen), (previous, _) = await both(
                make_plan(site, nodes, arguments.release, ours=ours),
                both(previous_releases(site, nodes), site.connect(nodes)),
            )
            await require_safe(site, plan, seen, allow_outage=arguments.allow_outage)
            number = journal.begin(inventory.service)
            with event_view(arguments.output) as show:
                record = Recorder(journal, number, arguments.redaction, show)
                record(started(plan, str(inventory.path)))
                for event in _noted(plan, seen, previous):
                    record(event)
                deployment = Deployment(
                    site, plan, number, previous, record, allow_outage=arguments.allow_outage
                )
                record.on_failure = lambda error: deployment.halt(str(error))
                outcome = await _until_stopped(deployment)
            return FAILED if record.failed else _EXIT_CODES[outcome]
        finally:
            with contextlib.suppress(JournalError):  # an event that was not written has been told
                journal.close()


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
            admin=int(state.admin),
            weight=state.weight,
            status=state.status,
        )
        for name in plan.nodes
        for state in seen.states(name)
    ]
    releases = [ReleaseNoted(name, previous[name]) for name in plan.nodes if name in previous]
    skipped = [Warned(f"skipped: {reason}", node=name) for name, reason in plan.skipped.items()]
    return [*servers, *releases, *skipped, *map(Warned, plan.warnings)]


async def _until_stopped(deployment: Deployment) -> Outcome:
    """Run it. The first Ctrl-C or SIGTERM lets the nodes in flight finish, the second ends them too."""
    running = asyncio.ensure_future(deployment.run())
    asked = 0

    def stop(name: str) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            deployment.halt(f"{name}: the nodes in flight finish; again to end them at once")
        else:
            running.cancel()

    loop = asyncio.get_running_loop()
    for which in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(which, stop, which.name)
    try:
        return await running
    except asyncio.CancelledError:
        return Outcome.INTERRUPTED
    finally:
        for which in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(which)
