"""The ways to restart an application: the driver that an inventory names, ready to be carried out."""

from __future__ import annotations

from rollout.restart import command, systemd
from rollout.restart.driver import Restarting, Settings


def restarting(settings: Settings) -> Restarting:
    """The restart that `settings` ask for. Raises UsageError."""
    if settings.systemd is not None:
        return systemd.restarting(settings.systemd, settings.timeout)
    if settings.command is not None:
        return command.restarting(settings.command, settings.timeout)
    raise ValueError("the inventory lets no restart without a driver through")
