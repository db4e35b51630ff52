"""How a node gets its release: the plan for what an inventory says."""

from __future__ import annotations

from rollout.inventory.model import Inventory
from rollout.inventory.template import Fill
from rollout.release import stored
from rollout.release.plan import ReleasePlan


def plan_release(inventory: Inventory, release: str | None, fill: Fill) -> ReleasePlan | None:
    """The plan by which a node gets `release`; None if the inventory has no `release:`. Without a release,
    the plan is only good for a look at the node. Raises UsageError."""
    settings = inventory.release
    if settings is None:
        return None
    if settings.archive is not None:
        return stored.archive(settings.archive, settings.timeout, inventory.path.parent, release, fill)
    if settings.files is not None:
        return stored.files(settings.files, settings.timeout, inventory.path.parent, release, fill)
    return ReleasePlan(timeout=settings.timeout, command=settings.command or "")
