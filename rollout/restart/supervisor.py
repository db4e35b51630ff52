"""`restart.supervisor`: a program or a group, its processes one after another, proved on the node."""

from __future__ import annotations

from functools import partial

from rollout.remote.agent import on_node
from rollout.restart.driver import Fill, RestartPlan


def plan_restart(program: str, timeout: float, fill: Fill) -> RestartPlan:
    agent = partial(on_node, "supervisor", program=fill(program), timeout=timeout)
    return RestartPlan(
        timeout=timeout,
        command=agent(check=False),
        shown=f"supervisorctl restart {fill(program)}, one process after another",
        precheck=agent(check=True),
    )
