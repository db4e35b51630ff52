"""Restart drivers that other packages bring, found by their entry points.

They are looked for only where an inventory names a driver that rollout does not have, and for the schema.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import Field, create_model

from rollout.errors import UsageError
from rollout.inventory.model import Inventory, inventory_config
from rollout.inventory.restart import Restart, RestartSetting
from rollout.inventory.section import exactly_one
from rollout.inventory.template import Fill

GROUP = "rollout.drivers"
"""The group of their entry points. Each entry point is a driver's name, and its module."""


@dataclass(frozen=True, slots=True)
class InstalledDriver:
    """A driver of another package, as its module has it (`rollout/drivers.py`)."""

    name: str
    settings: Any
    """The type of its settings."""
    plan_restart: Callable[[Any, float, Fill], Any]
    leaves_a_gap: bool
    description: str


def installed_names() -> list[str]:
    """The names of all drivers that other packages bring. Nothing of them is loaded."""
    return sorted(_entry_points())


@cache
def installed(name: str) -> InstalledDriver:
    """The driver of that name, loaded. Raises UsageError if it cannot be used."""
    entry = _entry_points()[name]
    package = entry.dist.name if entry.dist is not None else entry.value
    unusable = f"the driver {name} of the package {package} cannot be used"
    if not name.isidentifier() or hasattr(Restart, name):
        raise UsageError(f"{unusable}: it needs another name, of letters, digits and _")
    try:
        module = entry.load()
    except Exception as error:
        raise UsageError(f"{unusable}: {type(error).__name__}: {error}") from error
    missing = [each for each in ("Settings", "plan_restart") if not hasattr(module, each)]
    if missing:
        raise UsageError(f"{unusable}: its module {entry.value} has no {' and no '.join(missing)}")
    return InstalledDriver(
        name,
        module.Settings,
        module.plan_restart,
        getattr(module, "LEAVES_A_GAP", True),
        (inspect.getdoc(module) or f"A driver of the package {package}").partition("\n")[0],
    )


def inventory_with(names: Collection[str]) -> type[Inventory]:
    """The inventory whose restarts may name these drivers, too. Raises UsageError."""
    if not names:
        return Inventory
    drivers = [installed(name) for name in sorted(names)]
    return _extended(drivers)


def _entry_points() -> dict[str, EntryPoint]:
    """By name. Where two packages bring the same one, the first on the path has it, as with modules."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, entry)
    return found


def _extended(drivers: Sequence[InstalledDriver]) -> type[Inventory]:
    names = (*Restart.drivers, *(driver.name for driver in drivers))
    gaps = (*Restart.with_a_gap, *(driver.name for driver in drivers if driver.leaves_a_gap))

    class WithDrivers(Restart):
        model_config = exactly_one(*names)
        drivers = names
        with_a_gap = gaps

    fields: dict[str, Any] = {
        driver.name: (driver.settings | None, Field(default=None, description=driver.description))
        for driver in drivers
    }
    restart = create_model("Restart", __base__=WithDrivers, __doc__=Restart.__doc__, **fields)

    class WithRestart(Inventory):
        model_config = inventory_config(gaps)
        restart_section = restart

    setting: Any = RestartSetting
    field: Any = (setting[restart], Field(description=Inventory.model_fields["restart"].description))
    return create_model("Inventory", __base__=WithRestart, __doc__=Inventory.__doc__, restart=field)
