"""`restart.processes`: workers that a supervisor replaces on a signal, watched and proved on the node."""

from __future__ import annotations

from rollout.agents.processes import Options, main
from rollout.inventory.restart import Processes
from rollout.inventory.template import Fill
from rollout.remote.agent import process_owner
from rollout.restart import driver
from rollout.restart.driver import RestartPlan, by_agent


def plan_restart(settings: Processes, timeout: float, fill: Fill) -> RestartPlan:
    options = Options(
        pidfile=fill(settings.pidfile),
        signal=settings.signal,
        beats=fill(settings.beats),
        ready=settings.ready,
        drain=settings.drain,
        log=settings.log and fill(settings.log),
        steady=driver.STEADY,
        timeout=timeout,
    )
    return by_agent(
        main,
        options,
        acting_for=process_owner(options.pidfile),
        shown=f"{options.signal} to the supervisor in {options.pidfile}, "
        f"until all that beat in {options.beats} are new",
    )
