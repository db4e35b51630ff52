"""The demo: a lab, live traffic, a deployment of a second release, and the figures."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from rollout.lab.lab import Lab
from rollout.lab.traffic import Traffic

RELEASE = "2"
_AFTER = 2.0
"""Seconds of traffic after the deployment."""
_PATIENCE = 5.0
"""Seconds that the deployment may take to end after SIGTERM."""


def demo(directory: Path, nodes: int, load_balancers: int, rate: float) -> int:
    """The exit code of the demo: 0 if no request was lost and the second release answers.

    `rate` is in requests a second. The lab is removed afterwards, whatever happens. Raises RolloutError if it
    does not start.
    """
    with _interrupted_by(signal.SIGTERM, signal.SIGHUP):
        _say(f"Starting {nodes} nodes behind {load_balancers} HAProxy …")
        lab = Lab.up(directory, nodes=nodes, load_balancers=load_balancers)
        try:
            return asyncio.run(_roll(lab, rate))
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # a second one must not leave half a lab behind
            lab.down()
            signal.signal(signal.SIGINT, signal.default_int_handler)


async def _roll(lab: Lab, rate: float) -> int:
    async with Traffic(lab.urls, rate) as traffic:
        await traffic.flowing()
        _say(f"{rate:g} requests/s flow through {', '.join(lab.urls)}\n")
        _say(f"$ rollout deploy -i {lab.inventory} --release {RELEASE}")
        status = await _deploy(lab)
        await asyncio.sleep(_AFTER)
    result = traffic.result
    restarted = len(result.nodes(RELEASE))
    _say(f"\n{result}\n  nodes that serve release {RELEASE}: {restarted} of {lab.settings.nodes}")
    if status:
        _say(f"The deployment failed with exit code {status}")
    return 0 if status == 0 and result.lost == 0 and restarted else 1


async def _deploy(lab: Lab) -> int:
    """The exit code of the deployment. Its journal stays in the lab's folder, out of the user's history."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rollout", "deploy", "-i", lab.inventory, "--release", RELEASE),
        stdin=asyncio.subprocess.DEVNULL,
        env=os.environ | {"XDG_STATE_HOME": str(lab.directory / "state")},
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await _gone(process)


async def _gone(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), _PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()


@contextlib.contextmanager
def _interrupted_by(*numbers: signal.Signals) -> Iterator[None]:
    """Make signals act like Ctrl-C, so the block cleans up. An ignored signal stays ignored."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        # asyncio has its own handler, which ends a task only where it waits, not in the middle of something.
        as_ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(as_ctrl_c):  # it was ignored from the start, as in a background job
            raise KeyboardInterrupt
        as_ctrl_c(number, frame)

    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
