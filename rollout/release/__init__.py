"""The ways in which a node gets its release, as an inventory names them, ready to be carried out."""

from __future__ import annotations

from rollout.inventory.model import Inventory
from rollout.release import stored
from rollout.release.plan import Fill, ReleasePlan


def plan_release(inventory: Inventory, release: str | None, fill: Fill) -> ReleasePlan | None:
    """How a node gets `release`; `None` where the inventory does not say. Without a release, as much of it as
    can be told beforehand. Raises UsageError."""
    settings = inventory.release
    if settings is None:
        return None
    if settings.archive is not None:
        return stored.archive(settings.archive, settings.timeout, inventory.path.parent, release, fill)
    if settings.files is not None:
        return stored.files(settings.files, settings.timeout, inventory.path.parent, release, fill)
    return ReleasePlan(timeout=settings.timeout, command=settings.command or "")
