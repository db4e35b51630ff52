"""`restart.celery`: a worker leaves its queues, finishes its tasks, and must then be a new one that executes.

The agent carries it out by the worker's own remote control, through the application's broker, and proves it.
"""

from __future__ import annotations

from rollout.inventory.restart import Celery
from rollout.remote.agent import in_application
from rollout.restart.driver import Fill, RestartPlan

_REPORT = 30.0
"""Seconds for all that is neither the drain nor the restart: loading the app, asking the broker."""


def plan_restart(settings: Celery, timeout: float, fill: Fill) -> RestartPlan:
    """`timeout` counts from the end of the drain, which has its own."""
    node = fill(settings.node)
    told = {
        "app": settings.app,
        "directory": None if settings.directory is None else fill(settings.directory),
        "node": node,
        "drain": settings.drain,
        "start": settings.start,
        "timeout": timeout,
    }
    python = fill(settings.python)
    return RestartPlan(
        timeout=settings.drain + timeout + _REPORT,
        command=in_application(python, "celery.restart", **told),
        shown=f"celery restart of {node}",
        precheck=in_application(python, "celery.check", **told),
    )
