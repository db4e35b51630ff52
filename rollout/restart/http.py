"""`restart.http`: a request that has the application load anew what it serves; its health page proves it."""

from __future__ import annotations

from rollout.inventory.request import Request
from rollout.restart.driver import Ask, Fill, RestartPlan


def plan_restart(request: Request, timeout: float, fill: Fill) -> RestartPlan:
    return RestartPlan(timeout=timeout, ask=Ask(request.method, fill(request.url)))
