"""The lock as the verbs take it."""

from __future__ import annotations

import argparse
import os
import secrets
import socket
import time
from contextlib import AbstractAsyncContextManager

from rollout.cli.journals import user
from rollout.cli.wiring import OpenSite
from rollout.domain import Holder
from rollout.engine.deployment import Deployment
from rollout.engine.locking import locked
from rollout.inventory.quantities import parse_duration


class Brake:
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


def hold_lock(site: OpenSite, purpose: str, wait: float, brake: Brake) -> AbstractAsyncContextManager[None]:
    """Hold the service's lock. Raises Refused if another one does, HostError."""
    holder = Holder(
        token=secrets.token_hex(16),
        user=user(),
        host=socket.gethostname(),
        pid=os.getpid(),
        since=time.time(),
        purpose=purpose,
    )
    return locked(site.lock, holder, wait=wait, is_gone=_is_gone, halt=brake, promote=brake.promote)


def _is_gone(holder: Holder) -> bool:
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
