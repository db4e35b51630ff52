"""The command line of `rollout drain`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import add_nodes

EXAMPLES = {
    "rollout drain -i prod.yml web2": "take a node out, for work on its machine",
    "rollout drain -i prod.yml web2 --keep": "make that last over a reload of HAProxy",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_nodes(parser)
    parser.add_argument(
        "--allow-outage",
        action="store_true",
        help="skip the capacity checks: a backend's last server, and strategy.min_ready",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="make it last over a reload of HAProxy, by its state file or the node's health page; where "
        "neither can, exit with 1 and say why",
    )
