"""The command line of `rollout promote`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import add_shared

EXAMPLES = {"rollout promote -i prod.yml": "the canary is good: continue"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser)
