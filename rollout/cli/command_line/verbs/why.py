"""The command line of `rollout why`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import add_shared
from rollout.cli.command_line.values import whole_number

EXAMPLES = {"rollout why web2 -i prod.yml": "why it failed, and how it stands now"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", metavar="NODE", help="the node whose story is told")
    parser.add_argument(
        "--deployment",
        metavar="ID",
        type=whole_number,
        help="tell what this deployment did to it (default: the one that left it out, or touched it last)",
    )
    add_shared(parser, output=True)
