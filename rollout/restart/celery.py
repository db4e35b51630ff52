"""`restart.celery`: a worker leaves its queues, finishes its tasks, and must then be a new one that executes.

The agent runs in the application's own interpreter. It reaches the worker by Celery's remote control, through
the application's broker.
"""

from __future__ import annotations

import shlex

from rollout.agents.celery.restart import Options, main
from rollout.agents.common.talk import NotThere
from rollout.inventory.restart import Celery
from rollout.inventory.template import Fill
from rollout.remote.agent import in_application
from rollout.restart import driver
from rollout.restart.driver import RestartPlan

_REPORT = 30.0
"""Seconds for all that is neither the drain nor the restart: loading the app, asking the broker."""
_THERE = '[ "$(command -v {python})" ] || {{ echo {python}": not found"; exit {status}; }}\n'


def plan_restart(settings: Celery, timeout: float, fill: Fill) -> RestartPlan:
    """The plan of the restart. `timeout` counts from the end of the drain, which has its own time-out."""
    options = Options(
        app=settings.app,
        directory=settings.directory and fill(settings.directory),
        node=fill(settings.node),
        drain=settings.drain,
        start=settings.start,
        steady=driver.STEADY,
        timeout=timeout,
    )
    python = fill(settings.python)
    there = _THERE.format(python=shlex.quote(python), status=NotThere.exit_status)
    return RestartPlan(
        timeout=settings.drain + timeout + _REPORT,
        command=in_application(python, main, options),
        shown=f"celery restart of {options.node}",
        precheck=there + in_application(python, main, options._replace(check=True)),
        start=settings.start,
    )
