"""The command line of `rollout man`."""

from __future__ import annotations

import argparse

EXAMPLES = {
    "rollout man | man -l -": "read it",
    "rollout man > ~/.local/share/man/man1/rollout.1": "keep it for `man rollout`",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""
