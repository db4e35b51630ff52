"""`restart.http`: a request that makes the application load its data or code again. Its page is the proof."""

from __future__ import annotations

from rollout.inventory.request import Request
from rollout.inventory.template import Fill
from rollout.restart.driver import Ask, RestartPlan


def plan_restart(request: Request, timeout: float, fill: Fill) -> RestartPlan:
    return RestartPlan(timeout=timeout, ask=Ask(request.method, fill(request.url)))
