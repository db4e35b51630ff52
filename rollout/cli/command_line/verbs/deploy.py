"""The command line of `rollout deploy`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import (
    add_environment,
    add_fail_on_skipped,
    add_included,
    add_junit,
    add_outage,
    add_release,
    add_shared,
    add_unhealthy,
    add_wait,
)

EXAMPLES = {
    "rollout deploy -i prod.yml --release 1.4.2": "put a release on all nodes",
    "rollout deploy -i prod.yml": "restart all nodes, with the release they have",
    "rollout deploy -i prod.yml --release 1.4.2 --limit web1,web2": "begin with two nodes",
    "rollout deploy -i prod.yml --release 1.4.2 --wait 30m": "in CI: wait for a deployment that runs",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, limit=True, output=True, yes=True, verbose=True, quiet=True)
    add_release(parser)
    add_outage(parser)
    add_unhealthy(parser)
    add_included(parser)
    add_fail_on_skipped(parser)
    add_wait(parser)
    add_junit(parser)
    add_environment(parser)
