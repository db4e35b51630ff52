"""The command line of `rollout hook`."""

from __future__ import annotations

import argparse

EXAMPLES = {"rollout hook gunicorn > rollout_hook.py": "beside gunicorn's configuration"}
NOTE = "The file needs Python 3.8 or later, and nothing of rollout."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("server", choices=["gunicorn"], help="the server whose workers report to a restart")
