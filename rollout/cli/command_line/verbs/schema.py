"""The command line of `rollout schema`."""

from __future__ import annotations

import argparse

EXAMPLES = {"rollout schema > rollout.schema.json": "then name the file in your editor's settings"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""
