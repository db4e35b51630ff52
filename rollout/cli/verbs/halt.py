"""`rollout halt`: let the running deployment finish the nodes in flight, and start no other."""

from __future__ import annotations

import argparse

from rollout.cli.deploy_lock import ask_deployment


def run(arguments: argparse.Namespace) -> int:
    return ask_deployment(arguments, "halt", "the nodes in flight finish, and no other node starts")
