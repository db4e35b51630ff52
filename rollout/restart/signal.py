"""`restart.signal`: a signal to the process that a pidfile names, sent and proved on the node."""

from __future__ import annotations

from rollout.agents.signal import Options, main
from rollout.inventory.restart import Signal
from rollout.inventory.template import Fill
from rollout.remote.agent import process_owner
from rollout.restart import driver
from rollout.restart.driver import RestartPlan, by_agent


def plan_restart(settings: Signal, timeout: float, fill: Fill) -> RestartPlan:
    pidfile = fill(settings.pidfile)
    return by_agent(
        main,
        Options(
            pidfile=pidfile,
            signal=settings.signal,
            proof=settings.proof,
            steady=driver.STEADY,
            timeout=timeout,
        ),
        acting_for=process_owner(pidfile),
        shown=f"{settings.signal} to the process in {pidfile}, until {settings.proof}",
    )
