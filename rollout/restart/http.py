"""`restart.http`: a request that has the application load anew what it serves; its health page proves it."""

from __future__ import annotations

from rollout.inventory.request import Request
from rollout.restart.driver import Ask, Fill, Restarting


def restarting(request: Request, timeout: float, fill: Fill) -> Restarting:
    return Restarting(timeout=timeout, ask=Ask(request.method, fill(request.url)))
