"""The restart drivers: each makes a plan out of its settings in an inventory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from rollout.inventory.installed import installed
from rollout.inventory.model import Inventory
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


def plan_restarts(inventory: Inventory, fill: Fill) -> tuple[RestartPlan, ...]:
    """The plans of all restarts of one node, in their order; none if the release is enough.

    Raises UsageError for settings that can be seen to be wrong.
    """
    every = [*inventory.restarts.values()]
    plans = [plan_restart(settings, fill) for settings in every]
    if len(plans) == 1:
        return tuple(plans)
    return tuple(
        dataclasses.replace(plan, part=f"restart {number} of {len(plans)} ({settings.driver[0]})")
        for number, (plan, settings) in enumerate(zip(plans, every, strict=True), start=1)
    )


def plan_restart(settings: Restart, fill: Fill) -> RestartPlan:
    """The plan of one restart. Raises UsageError for settings that can be seen to be wrong."""
    name, chosen = settings.driver
    make = _DRIVERS[name] if name in _DRIVERS else installed(name).plan_restart
    plan: RestartPlan = make(chosen, settings.timeout, fill)
    return dataclasses.replace(plan, start=settings.start or plan.start)
