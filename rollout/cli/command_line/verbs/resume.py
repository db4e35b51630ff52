"""The command line of `rollout resume`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import (
    add_environment,
    add_fail_on_skipped,
    add_included,
    add_junit,
    add_outage,
    add_shared,
    add_unhealthy,
    add_wait,
)

EXAMPLES = {
    "rollout resume -i prod.yml": "continue with the nodes that are left",
    "rollout resume -i prod.yml --limit web3": "only with this one",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, limit=True, output=True, verbose=True, quiet=True)
    add_outage(parser)
    add_unhealthy(parser)
    add_included(parser)
    add_fail_on_skipped(parser)
    add_wait(parser)
    add_junit(parser)
    add_environment(parser)
