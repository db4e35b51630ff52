"""`restart.uwsgi`: a uWSGI is reloaded by its master FIFO, and proved on the node by its workers' ids."""

from __future__ import annotations

import posixpath

from rollout.agents.uwsgi.restart import Options, main
from rollout.inventory.restart import Uwsgi
from rollout.inventory.template import Fill
from rollout.remote.agent import fifo_owner
from rollout.restart import driver
from rollout.restart.driver import RestartPlan, by_agent


def plan_restart(settings: Uwsgi, timeout: float, fill: Fill) -> RestartPlan:
    fifo = posixpath.normpath(fill(settings.fifo))
    return by_agent(
        main,
        Options(fifo=fifo, mode=settings.mode, steady=driver.STEADY, timeout=timeout),
        acting_for=fifo_owner(fifo),
        shown=f"uwsgi {settings.mode} by {fifo}",
    )
