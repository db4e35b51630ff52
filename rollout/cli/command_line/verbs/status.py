"""The command line of `rollout status`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import add_shared

EXAMPLES = {
    "rollout status -i prod.yml": "every node and server as it is now",
    "rollout status -i prod.yml --watch": "follow a deployment, also one that runs elsewhere",
    "rollout status -i prod.yml -q --exit-code && echo well": "for a script",
    "rollout status -i prod.yml --output json | jq '.nodes[].state'": "for a program",
}
NOTE = (
    "exit codes with --exit-code: 0 all nodes are ready on one release; 4 a deployment is running;\n"
    "5 nodes are out or on different releases, or a deployment stopped halfway; 6 something that\n"
    "must be asked gives no answer"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, limit=True, output=True, quiet=True)
    parser.add_argument("--watch", action="store_true", help="refresh every second, until Ctrl-C")
    parser.add_argument(
        "--exit-code", action="store_true", help="say by the exit code how the service is, as below"
    )
