"""The ways to restart an application: the driver that an inventory names, ready to be carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from rollout.inventory.drivers import Restart
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
from rollout.restart.driver import Fill, Restarting

_DRIVERS: Mapping[str, Callable[[Any, float, Fill], Restarting]] = {
    "celery": celery.restarting,
    "command": command.restarting,
    "docker": docker.restarting,
    "gunicorn": gunicorn.restarting,
    "http": http.restarting,
    "processes": processes.restarting,
    "signal": signal.restarting,
    "supervisor": supervisor.restarting,
    "systemd": systemd.restarting,
    "uwsgi": uwsgi.restarting,
}
"""By their names in the inventory. Each is told its settings, the time-out in seconds, and what fills in
`{host}`, `{node}` and `{release}`."""


def restarting(settings: Restart | Literal["none"], fill: Fill) -> Restarting:
    """The restart of one node that `settings` ask for. Raises UsageError."""
    if settings == "none":
        return Restarting(timeout=0.0)
    name, chosen = settings.driver
    return _DRIVERS[name](chosen, settings.timeout, fill)
