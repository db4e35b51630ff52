"""The options that several verbs have."""

from __future__ import annotations

import argparse
from pathlib import Path

from rollout.cli.command_line.values import duration, names, whole_number

DEFAULT_INVENTORY = "rollout.yml"


def add_shared(
    parser: argparse.ArgumentParser,
    *,
    limit: bool = False,
    output: bool = False,
    yes: bool = False,
    verbose: bool = False,
    quiet: bool = False,
) -> None:
    """Add `--inventory`, and `--limit`, `--output`, `--yes`, `--verbose` and `--quiet`, which a verb shows
    in its help if it uses them.

    Every verb accepts all of them, since scripts pass the same ones to each. An option that a verb does not
    use has no effect there, and its help does not show it.
    """
    parser.add_argument(
        "-i",
        "--inventory",
        metavar="FILE",
        help=f"the inventory (default: $ROLLOUT_INVENTORY, or {DEFAULT_INVENTORY} in this folder)",
    )
    parser.add_argument(
        "--limit",
        metavar="NODES",
        action="append",
        default=[],
        type=names,
        help="only these nodes, such as web1,web2; may be repeated" if limit else argparse.SUPPRESS,
    )
    parser.add_argument(
        "--output",
        choices=["text", "json"],
        default="text",
        help="text for people (default), or JSON for programs" if output else argparse.SUPPRESS,
    )
    parser.add_argument(
        "-y", "--yes", action="store_true", help="do not ask for confirmation" if yes else argparse.SUPPRESS
    )
    parser.add_argument(
        "-v",
        "--verbose",
        dest="amount",
        action="store_const",
        const="all",
        default="usual",
        help="show every command that is sent, too" if verbose else argparse.SUPPRESS,
    )
    parser.add_argument(
        "-q",
        "--quiet",
        dest="amount",
        action="store_const",
        const="little",
        help="show only what went wrong, and the result" if quiet else argparse.SUPPRESS,
    )


def add_release(parser: argparse.ArgumentParser) -> None:
    """`--release`."""
    parser.add_argument(
        "--release", metavar="RELEASE", help="the release to deploy; without it, this is a rolling restart"
    )


def add_outage(parser: argparse.ArgumentParser) -> None:
    """`--allow-outage`."""
    parser.add_argument(
        "--allow-outage",
        action="store_true",
        help="skip the capacity checks: a backend's last server, strategy.min_ready, HAProxy's queue",
    )


def add_unhealthy(parser: argparse.ArgumentParser) -> None:
    """`--allow-unhealthy`."""
    parser.add_argument(
        "--allow-unhealthy",
        action="store_true",
        help="begin although every node fails its health page, as where the new release brings the page",
    )


def add_included(parser: argparse.ArgumentParser) -> None:
    """`--include-out-of-rotation`."""
    parser.add_argument(
        "--include-out-of-rotation",
        action="store_true",
        help="also deploy nodes that somebody drained or put in maintenance, and leave them there",
    )


def add_fail_on_skipped(parser: argparse.ArgumentParser) -> None:
    """`--fail-on-skipped`."""
    parser.add_argument(
        "--fail-on-skipped",
        action="store_true",
        help="exit with 1 if a node was skipped, because somebody keeps it out of rotation",
    )


def add_junit(parser: argparse.ArgumentParser) -> None:
    """`--junit`."""
    parser.add_argument(
        "--junit", metavar="FILE", type=Path, help="write the result of each node as a JUnit file, for CI"
    )


def add_environment(parser: argparse.ArgumentParser) -> None:
    """`--environment`."""
    parser.add_argument(
        "--environment",
        metavar="NAME",
        help="in a job of GitHub or GitLab: list the deployment there, under this environment",
    )


def add_wait(parser: argparse.ArgumentParser) -> None:
    """`--wait`."""
    parser.add_argument(
        "--wait",
        metavar="TIME",
        type=duration,
        default=0.0,
        help="how long to wait for another deployment of the service to end, such as 10m (default: 0)",
    )


def add_deployment(parser: argparse.ArgumentParser) -> None:
    """The number of a deployment, which may be left out."""
    parser.add_argument(
        "deployment",
        metavar="ID",
        nargs="?",
        type=whole_number,
        help="the number of a deployment, as `rollout history` shows it (default: the last one)",
    )


def add_nodes(parser: argparse.ArgumentParser) -> None:
    """`NODE…`, and the options that every verb has; nodes that `--limit` names are added to those."""
    add_shared(parser, output=True, verbose=True, quiet=True)
    add_wait(parser)
    parser.add_argument("nodes", metavar="NODE", nargs="*", help="a node of the inventory")
