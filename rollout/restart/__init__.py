"""The ways to restart an application: the driver that an inventory names, ready to be carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from rollout.inventory.restart import Restart
from rollout.restart import (
    celery,
    command,
    docker,
    gunicorn,
    http,
    processes,
    signal,
    supervisor,
    systemd,
    uwsgi,
)
from rollout.restart.driver import Fill, RestartPlan

_DRIVERS: Mapping[str, Callable[[Any, float, Fill], RestartPlan]] = {
    "celery": celery.plan_restart,
    "command": command.plan_restart,
    "docker": docker.plan_restart,
    "gunicorn": gunicorn.plan_restart,
    "http": http.plan_restart,
    "processes": processes.plan_restart,
    "signal": signal.plan_restart,
    "supervisor": supervisor.plan_restart,
    "systemd": systemd.plan_restart,
    "uwsgi": uwsgi.plan_restart,
}
"""By their names in the inventory. Each is told its settings, the time-out in seconds, and what fills in
`{host}`, `{node}` and `{release}`."""


def plan_restart(settings: Restart | Literal["none"], fill: Fill) -> RestartPlan:
    """The restart of one node that `settings` ask for. Raises UsageError."""
    if settings == "none":
        return RestartPlan(timeout=0.0)
    name, chosen = settings.driver
    return _DRIVERS[name](chosen, settings.timeout, fill)
