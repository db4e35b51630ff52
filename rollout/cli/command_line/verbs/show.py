"""The command line of `rollout show`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import add_deployment, add_shared

EXAMPLES = {
    "rollout show -i prod.yml": "the last deployment",
    "rollout show 17 --output-of web2 -i prod.yml": "all that the commands of web2 printed",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_deployment(parser)
    add_shared(parser, output=True)
    parser.add_argument(
        "--output-of",
        metavar="NODE",
        help="show only what the commands of this node printed, all of it",
    )
