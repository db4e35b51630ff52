"""The command line of `rollout plan`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import (
    add_included,
    add_outage,
    add_release,
    add_shared,
    add_unhealthy,
)

EXAMPLES = {
    "rollout plan -i prod.yml --release 1.4.2": "every command that a deploy would send, in order",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, limit=True, output=True)
    add_release(parser)
    add_outage(parser)
    add_unhealthy(parser)
    add_included(parser)
