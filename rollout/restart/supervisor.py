"""`restart.supervisor`: a program or a group, its processes one after another, proved on the node."""

from __future__ import annotations

from functools import partial

from rollout.on_node import on_node
from rollout.restart.driver import Fill, Restarting


def restarting(program: str, timeout: float, fill: Fill) -> Restarting:
    agent = partial(on_node, "supervisor", "programs", program=fill(program), timeout=timeout)
    return Restarting(
        timeout=timeout,
        command=agent(check=False),
        shown=f"supervisorctl restart {fill(program)}, one process after another",
        precheck=agent(check=True),
    )
