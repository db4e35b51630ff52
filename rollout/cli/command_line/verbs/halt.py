"""The command line of `rollout halt`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import add_shared

EXAMPLES = {
    "rollout halt -i prod.yml": "start no other node; `rollout resume` continues later",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser)
