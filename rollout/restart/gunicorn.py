"""`restart.gunicorn`: new workers, or a new master with new workers, started and proved on the node."""

from __future__ import annotations

from rollout.agents.gunicorn.restart import Options, main
from rollout.inventory.restart import Gunicorn
from rollout.inventory.template import Fill
from rollout.remote.agent import process_owner
from rollout.restart import driver
from rollout.restart.driver import RestartPlan, by_agent


def plan_restart(settings: Gunicorn, timeout: float, fill: Fill) -> RestartPlan:
    options = Options(
        mode=settings.mode,
        pidfile=fill(settings.pidfile),
        notify=settings.notify,
        ready=settings.ready,
        drain=settings.drain,
        hold=driver.STEADY,
        timeout=timeout,
    )
    return by_agent(
        main,
        options,
        acting_for=process_owner(options.pidfile),
        shown=f"gunicorn {options.mode} of {options.pidfile}",
    )
