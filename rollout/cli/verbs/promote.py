"""`rollout promote`: let a paused deployment continue."""

from __future__ import annotations

import argparse

from rollout.cli.deploy_lock import ask_deployment


def run(arguments: argparse.Namespace) -> int:
    return ask_deployment(arguments, "promote", "the deployment continues, if it is paused")
