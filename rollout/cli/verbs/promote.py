"""`rollout promote`: let the running deployment go on after a pause."""

from __future__ import annotations

import argparse

from rollout.cli.arguments import add_common
from rollout.cli.deploy_lock import ask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    return ask(arguments, "promote", "the deployment goes on, if it is paused")
