"""`restart.signal`: a signal to the process that a pidfile names, sent and proved on the node."""

from __future__ import annotations

from rollout.inventory.restart import Signal
from rollout.remote.agent import on_node, process_owner
from rollout.restart.driver import Fill, RestartPlan


def plan_restart(settings: Signal, timeout: float, fill: Fill) -> RestartPlan:
    pidfile = fill(settings.pidfile)
    told = {"pidfile": pidfile, "signal": settings.signal, "proof": settings.proof, "timeout": timeout}
    owner = process_owner(pidfile)
    return RestartPlan(
        timeout=timeout,
        command=on_node("signal", acting_for=owner, check=False, **told),
        shown=f"{settings.signal} to the process in {pidfile}, until {settings.proof}",
        precheck=on_node("signal", acting_for=owner, check=True, **told),
    )
