"""The command line of `rollout history`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import add_shared
from rollout.cli.command_line.since import moment_since
from rollout.cli.command_line.values import whole_number

EXAMPLES = {
    "rollout history -i prod.yml": "the last 20 deployments",
    "rollout history -i prod.yml --since 7d": "those of the last week",
    "rollout history -i prod.yml --node web2": "those of one node, and its state in each",
    "rollout history -i prod.yml --printed 17": "what the commands of deployment 17 printed",
}
LAST = 20
"""Deployments that are listed, unless others are asked for."""
MOST_LINES = 10_000
"""Printed lines that are read: nobody reads more, and a deployment may have printed a million."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, output=True)
    parser.add_argument(
        "--last",
        metavar="N",
        type=whole_number,
        help=f"how many deployments (default: {LAST}, or all that --since names)",
    )
    parser.add_argument(
        "--since",
        metavar="WHEN",
        type=moment_since,
        help="only deployments that began since then: 2026-11-30, 2026-11-30T02:00, 12h, 7d",
    )
    parser.add_argument("--node", metavar="NODE", help="only deployments of this node, and its state in each")
    parser.add_argument(
        "--printed",
        metavar="DEPLOYMENT",
        type=whole_number,
        help=f"show what the commands of this deployment printed, the last {MOST_LINES} lines at most",
    )
