"""The ways to restart an application: the driver that an inventory names, ready to be carried out."""

from __future__ import annotations

from typing import Literal

from rollout.inventory.model import Restart
from rollout.restart import command, http, systemd
from rollout.restart.driver import Restarting


def restarting(settings: Restart | Literal["none"]) -> Restarting:
    """The restart that `settings` ask for. Raises UsageError."""
    if settings == "none":
        return Restarting(timeout=0.0)
    timeout = settings.timeout
    if settings.systemd is not None:
        return systemd.restarting(settings.systemd, timeout)
    if settings.http is not None:
        return http.restarting(settings.http, timeout)
    if settings.command is not None:
        return command.restarting(settings.command, timeout)
    raise ValueError("the inventory lets no restart without a driver through")
