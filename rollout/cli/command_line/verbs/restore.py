"""The command line of `rollout restore`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import add_shared, add_wait

EXAMPLES = {
    "rollout restore -i prod.yml": "bring back every node that was left out",
    "rollout restore -i prod.yml --limit web2": "only this one",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, limit=True, output=True, verbose=True, quiet=True)
    add_wait(parser)
