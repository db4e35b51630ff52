"""The command line of `rollout init`."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = {"rollout init prod.yml": "then change the lines marked with <-"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        type=Path,
        default=Path("rollout.yml"),
        help="the file to write (default: %(default)s); rollout never overwrites one",
    )
