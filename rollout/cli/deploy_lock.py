"""The service's lock: taking it for a verb, and asking the deployment that holds it to halt or continue."""

from __future__ import annotations

import argparse
import socket
import sys
from typing import Literal

from rollout.cli import event_loop
from rollout.cli.arguments import load_inventory
from rollout.cli.process import user
from rollout.cli.wiring import open_site
from rollout.engine.deployment import Deployment
from rollout.errors import Refused


class RemoteControl:
    """Halts a deployment or a verb, or ends a pause, when somebody asks for it through the lock.

    A halt that is asked for before the deployment exists takes effect as soon as it does.
    """

    def __init__(self) -> None:
        self._reason = ""
        self._deployment: Deployment | None = None

    def __call__(self, reason: str) -> None:
        self._reason = reason
        if self._deployment is not None:
            self._deployment.halt(reason)

    def promote(self, who: str) -> None:
        """End the deployment's pause, if there is one."""
        if self._deployment is not None:
            self._deployment.promote(who)

    def require_wanted(self) -> None:
        """Raises Refused if somebody asked to halt, or broke the lock."""
        if self._reason:
            raise Refused(f"{self._reason}: no further node was touched", hint="rollout status")

    def attach(self, deployment: Deployment) -> None:
        """The deployment that is controlled from now on."""
        self._deployment = deployment
        if self._reason:
            deployment.halt(self._reason)

    def detach(self) -> None:
        """Control the deployment no longer, as it has ended."""
        self._deployment = None


def ask_deployment(arguments: argparse.Namespace, wish: Literal["halt", "promote"], effect: str) -> int:
    """Ask the running deployment to halt or continue; return the exit code. `effect` is what it will do.

    Raises Refused if no deployment of the service is running.
    """
    event_loop.run(_ask(arguments, wish))
    sys.stdout.write(f"asked: {effect}\n")
    return 0


async def _ask(arguments: argparse.Namespace, wish: Literal["halt", "promote"]) -> None:
    inventory = load_inventory(arguments)
    async with open_site(inventory) as site:
        place = (await site.meeting()).place
        if not await place.ask(wish, f"{user()} on {socket.gethostname()}"):
            raise Refused(f"no deployment of {inventory.service} is running", hint="rollout status")
