"""The command line of `rollout lab`."""

from __future__ import annotations

import argparse
from pathlib import Path

from rollout.cli.command_line.values import duration

EXAMPLES = {
    "rollout lab demo": "see a deployment under traffic, and the figures",
    "rollout lab up --nodes 6 --load-balancers 2": "then deploy to it yourself",
    "rollout lab traffic": "in another terminal, meanwhile",
    "rollout lab down": "end it",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from rollout.lab.settings import default_directory

    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--directory",
        type=Path,
        default=default_directory(),
        metavar="DIR",
        help="the lab's folder (default: %(default)s)",
    )
    size = argparse.ArgumentParser(add_help=False)
    size.add_argument(
        "--nodes", type=_nodes, default=3, metavar="N", help="how many nodes (default: %(default)s)"
    )
    size.add_argument(
        "--load-balancers",
        type=_load_balancers,
        default=1,
        metavar="N",
        help="how many load balancers (default: %(default)s)",
    )
    pace = argparse.ArgumentParser(add_help=False)
    pace.add_argument(
        "--rate",
        type=_rate,
        default=300.0,
        metavar="RATE",
        help="requests per second (default: %(default)g)",
    )

    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    up = actions.add_parser("up", parents=[size, where], help="start a lab, and write an inventory for it")
    up.add_argument(
        "--start",
        type=duration,
        default=1.0,
        help="how long the application takes to start (default: 1s)",
        metavar="TIME",
    )
    up.add_argument(
        "--drain",
        choices=["runtime", "health-page"],
        default="runtime",
        help="drain nodes by HAProxy's runtime socket or by the health page (default: %(default)s)",
    )
    traffic = actions.add_parser(
        "traffic", parents=[pace, where], help="send steady requests to a lab, and count those that are lost"
    )
    traffic.add_argument(
        "--duration", type=duration, default=30.0, help="how long to send them (default: 30s)", metavar="TIME"
    )
    actions.add_parser("down", parents=[where], help="stop a lab, and remove its folder")
    actions.add_parser(
        "demo", parents=[size, pace, where], help="all in one: a lab, traffic, a deployment, and the figures"
    )


def _number(text: str, most: int) -> int:
    number = int(text)
    if not 1 <= number <= most:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 1 to {most}")
    return number


def _nodes(text: str) -> int:
    from rollout.lab.settings import MOST_NODES

    return _number(text, MOST_NODES)


def _load_balancers(text: str) -> int:
    from rollout.lab.settings import MOST_LOAD_BALANCERS

    return _number(text, MOST_LOAD_BALANCERS)


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= 10_000:
        raise argparse.ArgumentTypeError(f"{text}: expected requests per second, above 0 and at most 10000")
    return rate
