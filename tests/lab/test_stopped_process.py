"""A deployment whose process is stopped (Ctrl-Z, the lid of a laptop) for longer than every time-out goes on
where it was, and fails no healthy node."""

from __future__ import annotations

import asyncio
import json
import signal

from lab_support import StartLab, get
from test_deploy import HARSH, change_inventory, states

from rollout.lab.lab import Lab
from tests.support.begun import begin

STEPS = ["drain", "release", "restart", "verify", "ready", "bake"]
MOMENT = 0.2
"""Seconds from the start of a step until the process is stopped, in the middle of its waiting."""
STOPPED = 2.6
"""Seconds for which it is stopped: longer than each time-out. Every wait ends meanwhile."""


def be_impatient(lab: Lab) -> None:
    """Set each time-out to 2 s, and let each step take one or more."""
    for step in ("release", "restart"):
        line = f"sh {lab.home}/nodes/$ROLLOUT_NODE/{step}"
        change_inventory(lab, f"command: {line}", f"command: sleep 1; {line}\n  timeout: 2s")
    change_inventory(lab, "timeout: 30s", "timeout: 2s")
    change_inventory(lab, "  bake: 0\n", "  bake: 1s\n  patience: 2s\n")
    change_inventory(lab, "\nrelease:", "\ndrain: {timeout: 2s}\n\nrelease:")


async def stopped_in_each_step(lab: Lab) -> tuple[int, list[str], set[str]]:
    """Deploy release 2 to web1, and stop the process in each step: its exit code, its output, the steps."""
    words = ("deploy", "--release", "2", "--limit", "web1", "--output", "json")
    process = await begin(*words, "-i", str(lab.inventory))
    lines: list[str] = []
    stopped: set[str] = set()
    try:
        async for line in process.stdout:
            lines.append(line.decode())
            event = json.loads(line)
            if event["event"] == "step_started" and event["step"] in STEPS:
                stopped.add(event["step"])
                await asyncio.sleep(MOMENT)
                process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(STOPPED)
                process.send_signal(signal.SIGCONT)
        code = await process.wait()
    finally:
        await process.end()
    return code, lines, stopped


async def test_stopped_in_each_step(start_lab: StartLab) -> None:
    """Drain, release, restart, verify, ready and bake: what ended meanwhile counts, and nothing times out."""
    lab = start_lab(**HARSH | {"nodes": 2, "start": 1.0})
    be_impatient(lab)
    one = lab.load_balancers[0]
    slow = [asyncio.create_task(asyncio.to_thread(get, one, "/slow?seconds=3")) for _ in range(4)]

    code, lines, stopped = await stopped_in_each_step(lab)

    assert (code, stopped) == (0, set(STEPS)), "".join(lines)
    assert {status for status, _ in await asyncio.gather(*slow)} == {200}
    assert states(lab)["web1"] == ("ready", "2")
