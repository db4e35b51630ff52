"""What the arguments of a command line name: nodes, and the inventory."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from rollout.cli.command_line.options import DEFAULT_INVENTORY
from rollout.cli.command_line.surroundings import inventories
from rollout.cli.empty_values import without_value
from rollout.cli.redaction import Redaction
from rollout.errors import UsageError
from rollout.inventory import Inventory, load
from rollout.inventory.mistakes import InventoryError, nearest
from rollout.views.forges import TOKENS


def limit(arguments: argparse.Namespace) -> list[str]:
    """The names given with `--limit`; empty without it."""
    return [name for names in arguments.limit for name in names]


def load_inventory(arguments: argparse.Namespace) -> Inventory:
    """The inventory that the command line names; from now on its variables and tokens are masked.

    Raises UsageError.
    """
    given = arguments.inventory
    if given is None:
        given = os.environ.get("ROLLOUT_INVENTORY")
        if given is not None and not given.strip():
            raise without_value("ROLLOUT_INVENTORY")
    if given is None and not os.path.exists(DEFAULT_INVENTORY):
        raise UsageError(
            f"no inventory: give --inventory FILE, set ROLLOUT_INVENTORY, or create {DEFAULT_INVENTORY} here",
            hint=_inventories_here() or f"`rollout init` writes a {DEFAULT_INVENTORY} to start from",
        )
    path = Path(given or DEFAULT_INVENTORY)
    try:
        inventory = load(path, os.environ)
    except InventoryError as error:
        if not os.path.isfile(path) and (meant := _meant(path)):
            raise UsageError(str(error), hint=f"did you mean {meant}?") from None
        raise
    arguments.redaction = Redaction([*inventory.variables.values(), *_tokens(arguments)])
    return inventory


def _tokens(arguments: argparse.Namespace) -> list[str]:
    """The tokens of a CI system, if they are used."""
    if getattr(arguments, "environment", None) is None:
        return []
    return [os.environ[name] for name in TOKENS if os.environ.get(name)]


def _inventories_here() -> str:
    """Which inventories lie here; empty if none does. None is chosen: it may be the wrong one."""
    match inventories():
        case []:
            return ""
        case [only]:
            return f"the only inventory here is {only}: add -i {shlex.quote(only)}"
        case several:
            return f"the inventories here are {', '.join(several)}"


def _meant(path: Path) -> str:
    """The inventory that was probably meant by a path where no file is; empty if there is none."""
    here = inventories()
    named = [one for one in here if path.name in (Path(one).name, Path(one).stem) or Path(one).parent == path]
    return named[0] if len(named) == 1 else nearest(str(path), here) or ""
