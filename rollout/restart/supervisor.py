"""`restart.supervisor`: a program or a group, its processes one after another, proved on the node."""

from __future__ import annotations

from rollout.agents.supervisor import Options, main
from rollout.inventory.template import Fill
from rollout.restart import driver
from rollout.restart.driver import RestartPlan, by_agent


def plan_restart(program: str, timeout: float, fill: Fill) -> RestartPlan:
    options = Options(program=fill(program), steady=driver.STEADY, timeout=timeout)
    return by_agent(
        main, options, shown=f"supervisorctl restart {options.program}, one process after another"
    )
