"""The command line of `rollout ready`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import add_nodes

EXAMPLES = {"rollout ready -i prod.yml web2": "put a node back, once its health page is right"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_nodes(parser)
