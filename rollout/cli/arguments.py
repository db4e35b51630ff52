"""The options that several verbs have, and the inventory that they name."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rollout.cli.empty_values import without_value
from rollout.cli.redaction import Redaction
from rollout.errors import UsageError
from rollout.inventory import Inventory, load

DEFAULT_INVENTORY = "rollout.yml"


def add_shared(
    parser: argparse.ArgumentParser, *, limit: bool = False, output: bool = False, yes: bool = False
) -> None:
    """Add `--inventory`, and `--limit`, `--output` and `--yes`, which a verb shows in its help if it uses
    them.

    Every verb accepts all four, since scripts pass the same ones to each. An option that a verb does not
    use has no effect there, and its help does not show it.
    """
    parser.add_argument(
        "-i",
        "--inventory",
        metavar="FILE",
        help=f"the inventory (default: $ROLLOUT_INVENTORY, or {DEFAULT_INVENTORY} in this folder)",
    )
    parser.add_argument(
        "--limit",
        metavar="NODES",
        action="append",
        default=[],
        type=_names,
        help="only these nodes, such as web1,web2; may be repeated" if limit else argparse.SUPPRESS,
    )
    parser.add_argument(
        "--output",
        choices=["text", "json"],
        default="text",
        help="text for people (default), or JSON for programs" if output else argparse.SUPPRESS,
    )
    parser.add_argument(
        "-y", "--yes", action="store_true", help="do not ask for confirmation" if yes else argparse.SUPPRESS
    )


def add_deployment(parser: argparse.ArgumentParser) -> None:
    """The number of a deployment, which may be left out."""
    parser.add_argument(
        "deployment",
        metavar="ID",
        nargs="?",
        type=whole_number,
        help="the number of a deployment, as `rollout history` shows it (default: the last one)",
    )


def whole_number(text: str) -> int:
    """A number from 1 up. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a number from 1 up")
    return int(text)


def add_release(parser: argparse.ArgumentParser) -> None:
    """`--release`."""
    parser.add_argument(
        "--release", metavar="RELEASE", help="the release to deploy; without it, this is a rolling restart"
    )


def add_outage(parser: argparse.ArgumentParser) -> None:
    """`--allow-outage`."""
    parser.add_argument(
        "--allow-outage",
        action="store_true",
        help="skip the capacity checks: a backend's last server, strategy.min_ready, HAProxy's queue",
    )


def add_unhealthy(parser: argparse.ArgumentParser) -> None:
    """`--allow-unhealthy`."""
    parser.add_argument(
        "--allow-unhealthy",
        action="store_true",
        help="begin although every node fails its health page, as where the new release brings the page",
    )


def add_included(parser: argparse.ArgumentParser) -> None:
    """`--include-out-of-rotation`."""
    parser.add_argument(
        "--include-out-of-rotation",
        action="store_true",
        help="also deploy nodes that somebody drained or put in maintenance, and leave them there",
    )


def add_fail_on_skipped(parser: argparse.ArgumentParser) -> None:
    """`--fail-on-skipped`."""
    parser.add_argument(
        "--fail-on-skipped",
        action="store_true",
        help="exit with 1 if a node was skipped, because somebody keeps it out of rotation",
    )


def _names(text: str) -> list[str]:
    # An empty list, as of a variable that is not set, must not mean all nodes.
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("expected at least one node")
    return names


def limit(arguments: argparse.Namespace) -> list[str]:
    """The names given with `--limit`; empty without it."""
    return [name for names in arguments.limit for name in names]


def load_inventory(arguments: argparse.Namespace) -> Inventory:
    """The inventory that the command line names; from now on its variables are masked. Raises UsageError."""
    given = arguments.inventory
    if given is None:
        given = os.environ.get("ROLLOUT_INVENTORY")
        if given is not None and not given.strip():
            raise without_value("ROLLOUT_INVENTORY")
    if given is None and not os.path.exists(DEFAULT_INVENTORY):
        raise UsageError(
            f"no inventory: give --inventory FILE, set ROLLOUT_INVENTORY, or create {DEFAULT_INVENTORY} here",
            hint=f"`rollout init` writes a {DEFAULT_INVENTORY} to start from",
        )
    inventory = load(Path(given or DEFAULT_INVENTORY), os.environ)
    arguments.redaction = Redaction(inventory.variables.values())
    return inventory
