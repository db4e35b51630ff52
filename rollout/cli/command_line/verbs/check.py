"""The command line of `rollout check`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import add_shared

EXAMPLES = {
    "rollout check -i prod.yml": "look at everything; exit with 3 if a deploy would be refused",
    "rollout check -i prod.yml --limit web1": "only at this node",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, limit=True, output=True, quiet=True)
