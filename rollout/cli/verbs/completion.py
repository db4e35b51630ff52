"""`rollout completion`: print the lines that let a shell complete the command line."""

from __future__ import annotations

import argparse
import sys

from argcomplete.shell_integration import shellcode


def run(arguments: argparse.Namespace) -> int:
    sys.stdout.write(shellcode(["rollout"], shell=arguments.shell).strip() + "\n")
    return 0
