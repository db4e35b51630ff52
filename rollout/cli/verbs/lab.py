"""`rollout lab`: a service on real nodes behind a real HAProxy, all on this machine."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollout.lab.lab import Lab


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
    pace.add_argument("--rate", type=_rate, default=300.0, help="requests per second (default: %(default)g)")

    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    up = actions.add_parser("up", parents=[size, where], help="start a lab, and write an inventory for it")
    up.add_argument(
        "--start",
        type=_seconds,
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
        "--duration", type=_seconds, default=30.0, help="how long to send them (default: 30s)", metavar="TIME"
    )
    actions.add_parser("down", parents=[where], help="stop a lab, and remove its folder")
    actions.add_parser(
        "demo", parents=[size, pace, where], help="all in one: a lab, traffic, a deployment, and the figures"
    )


def run(arguments: argparse.Namespace) -> int:
    return {"up": _up, "traffic": _traffic, "down": _down, "demo": _demo}[arguments.action](arguments)


def _up(arguments: argparse.Namespace) -> int:
    from rollout.lab.lab import Lab

    lab = Lab.up(
        arguments.directory,
        nodes=arguments.nodes,
        load_balancers=arguments.load_balancers,
        start=arguments.start,
        drain=arguments.drain,
    )
    sys.stdout.write(_where(lab) + "\n" + _next(lab))
    return 0


def _where(lab: Lab) -> str:
    lines = [f"{one.name:<8} HAProxy      {one.url}" for one in lab.load_balancers]
    lines += [f"{node.name:<8} application  {node.url}" for node in lab.nodes]
    return "\n".join([*lines, f"\nThe inventory: {lab.inventory}", ""])


def _next(lab: Lab) -> str:
    from rollout.lab.settings import command

    inventory = shlex.quote(str(lab.inventory))
    return (
        f"  rollout status -i {inventory}\n"
        f"  {command('traffic', lab.directory)}        # in another terminal, while you\n"
        f"  rollout deploy -i {inventory} --release 2\n"
        f"  {command('down', lab.directory)}\n"
    )


def _down(arguments: argparse.Namespace) -> int:
    from rollout.lab.lab import down

    ended = down(arguments.directory)
    sys.stdout.write("The lab is down\n" if ended else f"No lab is up in {arguments.directory}\n")
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from rollout.lab.demo import demo

    return demo(arguments.directory, arguments.nodes, arguments.load_balancers, arguments.rate)


def _traffic(arguments: argparse.Namespace) -> int:
    from rollout.lab.lab import Lab

    lab = Lab.load(arguments.directory)
    return asyncio.run(_send(lab, arguments.rate, arguments.duration))


async def _send(lab: Lab, rate: float, duration: float) -> int:
    """The exit code: 1 if a request was lost, 130 if Ctrl-C ended the traffic early."""
    from rollout.lab.traffic import Traffic

    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    sys.stdout.write(f"{rate:g} requests/s to {', '.join(lab.urls)} for {duration:g} s; Ctrl-C ends this\n")
    sys.stdout.flush()
    async with Traffic(lab.urls, rate) as traffic:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(interrupted.wait(), duration)
    sys.stdout.write(f"{traffic.result}\n")
    if traffic.result.lost or not traffic.result.answered:
        return 1
    return 130 if interrupted.is_set() else 0


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


def _seconds(text: str) -> float:
    from rollout.inventory.quantities import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from None
