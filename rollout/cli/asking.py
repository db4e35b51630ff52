"""Asking the deployment that runs, from another terminal or machine, by the lock that it holds."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from typing import Literal

from rollout.cli.arguments import load_inventory
from rollout.cli.journals import user
from rollout.cli.wiring import open_site
from rollout.errors import Refused


def ask(arguments: argparse.Namespace, wish: Literal["halt", "promote"], told: str) -> int:
    """The exit code; `told` is what is said when it was asked. Raises Refused if no deployment runs."""
    asyncio.run(_ask(arguments, wish))
    sys.stdout.write(f"asked: {told}\n")
    return 0


async def _ask(arguments: argparse.Namespace, wish: Literal["halt", "promote"]) -> None:
    inventory = load_inventory(arguments)
    async with open_site(inventory) as site:
        if not await site.lock.ask(wish, f"{user()} on {socket.gethostname()}"):
            raise Refused(f"no deployment of {inventory.service} runs", hint="rollout status")
