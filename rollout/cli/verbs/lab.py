"""`rollout lab`: a service on real nodes behind a real HAProxy, all on this machine."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shlex
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollout.lab.lab import Lab


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
