"""`rollout status`: show the state of every node and server now, and of the last deployment."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager

from rollout.cli import event_loop
from rollout.cli.arguments import limit, load_inventory
from rollout.cli.read_journal import journal_changes, read_journal
from rollout.cli.redaction import Redaction
from rollout.cli.site_now import SiteNow
from rollout.cli.unechoed import unechoed
from rollout.cli.wiring import open_site
from rollout.decisions.plan import select
from rollout.engine.checks.status import site_status
from rollout.engine.waiting import run_both

_PACE = 1.0
"""Seconds between two looks of `--watch`."""

Show = Callable[[SiteNow], None]


def run(arguments: argparse.Namespace) -> int:
    code = event_loop.run(_status(arguments))
    return code if arguments.exit_code else 0


async def _status(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    nodes = select(inventory, limit(arguments))
    redaction: Redaction = arguments.redaction
    async with open_site(inventory) as site:
        status, known = await run_both(site_status(site, nodes), read_journal(site, redaction))
        known.warn()
        now = SiteNow(inventory, status, known)
        with _view(arguments, redaction) as show:
            show(now)
            if not arguments.watch:
                return now.code
            async with aclosing(journal_changes(site, _PACE)) as changes:
                async for changed in changes:
                    if changed:
                        status, known = await run_both(
                            site_status(site, nodes), read_journal(site, redaction)
                        )
                    else:
                        status = await site_status(site, nodes)
                    show(SiteNow(inventory, status, known))
    return now.code


@contextmanager
def _view(arguments: argparse.Namespace, redaction: Redaction) -> Iterator[Show]:
    """Shows each look: one after the other, or in a table that is redrawn."""
    if not arguments.watch or arguments.output == "json" or not _can_redraw():
        yield _printer(arguments, redaction)
        return
    from rollout.views.watch import WatchView

    # Whoever ends it must find the terminal as it was.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with unechoed(), WatchView() as view:
        yield lambda now: view.show(now.seen(redaction))


def _can_redraw() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _printer(arguments: argparse.Namespace, redaction: Redaction) -> Show:
    def show(now: SiteNow) -> None:
        quiet = arguments.amount == "little"
        shown = now.json(redaction) if arguments.output == "json" else now.text(redaction, quiet=quiet)
        sys.stdout.write(f"{shown}\n")
        sys.stdout.flush()

    return show
