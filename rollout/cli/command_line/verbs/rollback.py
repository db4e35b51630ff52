"""The command line of `rollout rollback`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import add_junit, add_outage, add_shared, add_wait

EXAMPLES = {
    "rollout rollback -i prod.yml": "undo the last deployment, on each node that it touched",
    "rollout rollback -i prod.yml --limit web1": "only on this node",
    "rollout rollback -i prod.yml --to 1.4.1": "go back to this release",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, limit=True, output=True, verbose=True, quiet=True)
    parser.add_argument(
        "--to",
        metavar="RELEASE",
        help="the release to go back to (default: the one that each node had before the deployment)",
    )
    add_outage(parser)
    add_wait(parser)
    add_junit(parser)
