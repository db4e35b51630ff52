"""`restart.runit`: services of runit, one after another, proved on the node."""

from __future__ import annotations

from rollout.agents.runit import Options, main
from rollout.inventory.template import Fill
from rollout.restart import driver
from rollout.restart.driver import RestartPlan, by_agent


def plan_restart(services: str, timeout: float, fill: Fill) -> RestartPlan:
    options = Options(services=fill(services).split(), steady=driver.STEADY, timeout=timeout)
    several = ", one service after another" if len(options.services) > 1 else ""
    return by_agent(main, options, shown=f"sv restart {' '.join(options.services)}{several}")
