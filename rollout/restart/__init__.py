"""The restart drivers: each makes a plan out of its settings in an inventory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

from rollout.inventory.restart import Restart
from rollout.inventory.template import Fill
from rollout.restart import (
    celery,
    command,
    docker,
    gunicorn,
    http,
    processes,
    runit,
    signal,
    supervisor,
    systemd,
    uwsgi,
)
from rollout.restart.driver import RestartPlan

_DRIVERS: Mapping[str, Callable[[Any, float, Fill], RestartPlan]] = {
    "celery": celery.plan_restart,
    "command": command.plan_restart,
    "docker": docker.plan_restart,
    "gunicorn": gunicorn.plan_restart,
    "http": http.plan_restart,
    "processes": processes.plan_restart,
    "runit": runit.plan_restart,
    "signal": signal.plan_restart,
    "supervisor": supervisor.plan_restart,
    "systemd": systemd.plan_restart,
    "uwsgi": uwsgi.plan_restart,
}
"""The drivers by their names in an inventory. Each gets its settings, the time-out in seconds, and a function
that fills in `{host}`, `{node}` and `{release}`."""


def plan_restart(settings: Restart | Literal["none"], fill: Fill) -> RestartPlan:
    """The plan of the restart of one node. Raises UsageError for settings that can be seen to be wrong."""
    if settings == "none":
        return RestartPlan(timeout=0.0)
    name, chosen = settings.driver
    plan = _DRIVERS[name](chosen, settings.timeout, fill)
    return dataclasses.replace(plan, start=settings.start or plan.start)
