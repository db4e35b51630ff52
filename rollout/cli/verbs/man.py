"""`rollout man`: print the manual page."""

from __future__ import annotations

import argparse
import sys

from rollout.cli.command_line.man_page import man_page


def run(arguments: argparse.Namespace) -> int:
    sys.stdout.write(man_page())
    return 0
