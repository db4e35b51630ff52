"""The lock as the verbs take it, and what they ask of the deployment that holds it."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import socket
import sys
import time
from contextlib import AbstractAsyncContextManager
from typing import Literal

from rollout.cli.arguments import load_inventory
from rollout.cli.journal import user
from rollout.cli.wiring import OpenSite, open_site
from rollout.domain import LockHolder
from rollout.engine.deployment import Deployment
from rollout.engine.locking import locked
from rollout.errors import Refused
from rollout.inventory.quantities import parse_duration


class RemoteControl:
    """Halts a deployment, also when that is asked for before there is one, or lets it go on after a pause."""

    def __init__(self) -> None:
        self._reason = ""
        self._deployment: Deployment | None = None

    def __call__(self, reason: str) -> None:
        self._reason = reason
        if self._deployment is not None:
            self._deployment.halt(reason)

    def promote(self, who: str) -> None:
        if self._deployment is not None:
            self._deployment.promote(who)

    def attach(self, deployment: Deployment) -> None:
        self._deployment = deployment
        if self._reason:
            deployment.halt(self._reason)


def add_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        metavar="TIME",
        type=_duration,
        default=0.0,
        help="how long to wait for another deployment of the service to end, such as 10m (not at all)",
    )


def hold_lock(
    site: OpenSite, purpose: str, wait: float, control: RemoteControl
) -> AbstractAsyncContextManager[None]:
    """Hold the service's lock. Raises Refused if another one does, HostError."""
    holder = LockHolder(
        token=secrets.token_hex(16),
        user=user(),
        host=socket.gethostname(),
        pid=os.getpid(),
        since=time.time(),
        purpose=purpose,
    )
    return locked(site.lock, holder, wait=wait, is_gone=_is_gone, halt=control, promote=control.promote)


def _is_gone(holder: LockHolder) -> bool:
    """A process of this machine that does not run any more."""
    if holder.host != socket.gethostname():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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
