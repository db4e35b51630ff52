"""`restart.command`: a shell line of the inventory. Its exit status is the only proof."""

from __future__ import annotations

from rollout.inventory.template import Fill
from rollout.restart.driver import RestartPlan


def plan_restart(line: str, timeout: float, _: Fill) -> RestartPlan:
    return RestartPlan(timeout=timeout, command=line)
