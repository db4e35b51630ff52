"""The options that every verb spells the same."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rollout.cli.redaction import Redaction
from rollout.errors import UsageError
from rollout.inventory import Inventory, load

DEFAULT_INVENTORY = "rollout.yml"


def add_common(parser: argparse.ArgumentParser) -> None:
    """`--inventory`, `--limit`, `--output` and `--yes`."""
    parser.add_argument(
        "-i",
        "--inventory",
        metavar="FILE",
        help=f"the inventory (or ROLLOUT_INVENTORY; {DEFAULT_INVENTORY} in this folder otherwise)",
    )
    parser.add_argument(
        "--limit",
        metavar="NODES",
        action="append",
        default=[],
        type=_names,
        help="only these nodes, with commas; may be repeated",
    )
    parser.add_argument(
        "--output", choices=["text", "json"], default="text", help="for people, or JSON for programs"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def add_outage(parser: argparse.ArgumentParser) -> None:
    """`--allow-outage`."""
    parser.add_argument(
        "--allow-outage",
        action="store_true",
        help="set capacity aside: the last server of a backend, strategy.min_ready and HAProxy's queue",
    )


def add_included(parser: argparse.ArgumentParser) -> None:
    """`--include-out-of-rotation`."""
    parser.add_argument(
        "--include-out-of-rotation",
        action="store_true",
        help="deploy nodes too that others drained or put in maintenance, and leave them so",
    )


def _names(text: str) -> list[str]:
    """An empty list would mean all nodes, and come from a variable that is unset."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("expected at least one node")
    return names


def limit(arguments: argparse.Namespace) -> list[str]:
    """The names that `--limit` gave."""
    return [name for names in arguments.limit for name in names]


def load_inventory(arguments: argparse.Namespace) -> Inventory:
    """The inventory that is asked for. From here on its variables are masked. Raises UsageError."""
    given = arguments.inventory
    if given is None:
        given = os.environ.get("ROLLOUT_INVENTORY") or None
    if given == "":
        raise UsageError("--inventory has no value", hint="is the variable that should hold it set?")
    if given is None and not os.path.exists(DEFAULT_INVENTORY):
        raise UsageError(
            f"no inventory: give --inventory FILE, set ROLLOUT_INVENTORY, or have {DEFAULT_INVENTORY} here",
            hint=f"`rollout init` writes {DEFAULT_INVENTORY} to start from",
        )
    inventory = load(Path(given or DEFAULT_INVENTORY), os.environ)
    arguments.redaction = Redaction(inventory.variables.values())
    return inventory
