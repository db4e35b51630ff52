"""`rollout promote`: let the running deployment go on after a pause."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys

from rollout.cli.arguments import add_common, load_inventory
from rollout.cli.journals import user
from rollout.cli.wiring import open_site
from rollout.errors import Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    asyncio.run(_promote(arguments))
    return 0


async def _promote(arguments: argparse.Namespace) -> None:
    inventory = load_inventory(arguments)
    async with open_site(inventory) as site:
        if not await site.lock.ask("promote", f"{user()} on {socket.gethostname()}"):
            raise Refused(f"no deployment of {inventory.service} runs", hint="rollout status")
    sys.stdout.write("asked: the deployment goes on, if it is paused\n")
