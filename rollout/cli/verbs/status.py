"""`rollout status`: show the state of every node and server now, and of the last deployment."""

from __future__ import annotations

import argparse
import sys
from contextlib import aclosing

from rollout.cli import event_loop
from rollout.cli.arguments import limit, load_inventory
from rollout.cli.read_journal import journal_changes, read_journal
from rollout.cli.site_now import SiteNow
from rollout.cli.wiring import open_site
from rollout.decisions.plan import select
from rollout.engine.checks.status import site_status
from rollout.engine.waiting import run_both

_PACE = 1.0
"""Seconds between two looks of `--watch`."""
_HOME_AND_CLEAR = "\x1b[H\x1b[J"


def run(arguments: argparse.Namespace) -> int:
    code = event_loop.run(_status(arguments))
    return code if arguments.exit_code else 0


async def _status(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    nodes = select(inventory, limit(arguments))
    in_place = arguments.watch and arguments.output == "text" and sys.stdout.isatty()
    redaction = arguments.redaction

    def show(now: SiteNow) -> None:
        shown = (
            now.json(redaction)
            if arguments.output == "json"
            else now.text(redaction, quiet=arguments.amount == "little")
        )
        sys.stdout.write((_HOME_AND_CLEAR if in_place else "") + shown + "\n")
        sys.stdout.flush()

    async with open_site(inventory) as site:
        status, known = await run_both(site_status(site, nodes), read_journal(site, redaction))
        known.warn()
        now = SiteNow(inventory, status, known)
        show(now)
        if not arguments.watch:
            return now.code
        async with aclosing(journal_changes(site, _PACE)) as changes:
            async for changed in changes:
                if changed:
                    status, known = await run_both(site_status(site, nodes), read_journal(site, redaction))
                else:
                    status = await site_status(site, nodes)
                show(SiteNow(inventory, status, known))
    return now.code
