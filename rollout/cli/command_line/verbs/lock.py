"""The command line of `rollout lock`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import add_shared

EXAMPLES = {
    "rollout lock -i prod.yml": "who deploys, and since when",
    "rollout lock -i prod.yml --break": "take the lock away from a deployment that hangs",
}
NOTE = (
    "The next deployment takes over a lock that a crash left behind, after 30 seconds without\n"
    "a sign of life. Break a lock only if the deployment that holds it hangs."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, output=True, yes=True)
    parser.add_argument(
        "--break", dest="breaks", action="store_true", help="break the lock, after asking for confirmation"
    )
    # The old spelling of --break: everywhere else, --release names a version.
    parser.add_argument("--release", dest="releases", action="store_true", help=argparse.SUPPRESS)
