"""`rollout lock`: show who holds the service's lock, or break it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time

from rollout.cli.arguments import add_common, load_inventory
from rollout.cli.exit_codes import REFUSED
from rollout.cli.wiring import open_site
from rollout.domain import LockState
from rollout.engine.locking import is_abandoned
from rollout.views.text import duration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.add_argument("--release", action="store_true", help="break the lock, after asking")


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_lock(arguments))


async def _lock(arguments: argparse.Namespace) -> int:
    inventory = load_inventory(arguments)
    async with open_site(inventory) as site:
        held = await site.lock.held()
        if arguments.output == "json":
            document = arguments.redaction.value(_document(held, site.lock.where))
            sys.stdout.write(json.dumps(document) + "\n")
        else:
            line = f"{inventory.service}: {_line(held)} ({site.lock.where})"
            sys.stdout.write(arguments.redaction.printable(line) + "\n")
        if held is None or not arguments.release:
            return 0
        if not (arguments.yes or _confirmed()):
            sys.stdout.write("the lock stays\n")
            return REFUSED
        await site.lock.drop(held.holder)
        sys.stdout.write("the lock is broken; its holder halts, if it is alive\n")
    return 0


def _line(held: LockState | None) -> str:
    if held is None:
        return "nobody holds the lock"
    since = duration(max(0.0, time.time() - held.holder.since))
    left = "; left by a crash" if is_abandoned(held) else ""
    return f"{held.holder}, for {since}, last sign of life {duration(held.silent)} ago{left}"


def _document(held: LockState | None, where: str) -> dict[str, object]:
    if held is None:
        return {"held": False, "where": where}
    holder = held.holder
    return {
        "held": True,
        "where": where,
        "user": holder.user,
        "host": holder.host,
        "pid": holder.pid,
        "since": holder.since,
        "purpose": holder.purpose,
        "silent": held.silent,
        "left_by_a_crash": is_abandoned(held),
    }


def _confirmed() -> bool:
    sys.stdout.write("break it? a deployment that still runs will halt [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
