"""Ctrl-C twice, as a person types it, and a job that is cancelled, in each step under live traffic."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import pytest
from lab_support import StartLab, get
from test_deploy import HARSH, RATE, change_inventory, rollout, states, status

from rollout.lab.lab import Lab
from rollout.lab.result import Result
from rollout.lab.traffic import Traffic
from tests.support.begun import begin

CHANGES = {
    "drain": ("strategy:\n", "drain:\n  timeout: 20s\n\nstrategy:\n"),
    "release": ("release:\n  command: sh", "release:\n  command: sleep 20; sh"),
    "restart": ("restart:\n  command: sh", "restart:\n  command: sleep 20; sh"),
    "verify": ("successes: 2", "successes: 200"),
    "bake": ("  bake: 0", "  bake: 20s"),
}
"""What makes the step of the inventory last."""
SIGNS = {"drain": "left", "release": "$", "restart": "$"}
"""What a line says once the step is in its middle, where not each of its lines is told there."""


async def stopped(
    lab: Lab, step: str, by: signal.Signals = signal.SIGINT, times: int = 100
) -> tuple[int, str, Result]:
    """A deployment that is interrupted while its first node is in `step`, and again, up to so many `times`,
    with each line that it prints from then on: code and output."""
    lines: list[str] = []
    sent = 0
    async with asyncio.timeout(60), Traffic([one.url for one in lab.load_balancers], RATE) as traffic:
        await traffic.flowing()
        process = await begin("deploy", "--release", "2", "-i", str(lab.inventory))
        try:
            async for line in process.stdout:
                lines.append(line.decode())
                node, which, *told = (*line.decode().split()[1:], "", "")
                sign = SIGNS.get(step, "")
                begun = (node, which) == ("web1", step) and sign in told
                if (begun or sent) and sent < times:
                    sent += 1
                    with contextlib.suppress(ProcessLookupError):  # that was its last line
                        process.send_signal(by)
            code = await process.wait()
        finally:
            await process.end()
    return code, "".join(lines), traffic.result


async def with_a_long_request(lab: Lab, step: str) -> tuple[int, str, Result]:
    """The same while each node runs a request that takes long."""
    one = lab.load_balancers[0]
    slow = [asyncio.create_task(asyncio.to_thread(get, one, "/slow?seconds=6")) for _ in range(4)]
    ended = await stopped(lab, step)
    assert {code for code, _ in await asyncio.gather(*slow)} == {200}
    return ended


@pytest.mark.parametrize("step", ["drain", "restart", "bake"])
async def test_twice_ends_at_once_and_safely(start_lab: StartLab, step: str) -> None:
    """Not yet restarted, the node is back; else it is left out and named; no request is lost."""
    lab = start_lab(**HARSH | {"nodes": 2})
    change_inventory(lab, *CHANGES[step])

    stop = with_a_long_request if step == "drain" else stopped
    code, output, result = await stop(lab, step)

    assert code == 130, output
    assert "halted, no further node starts: SIGINT: the nodes in flight finish" in output
    assert "SIGINT again: bringing the nodes in flight to a safe end at once" in output
    assert result.losses == {}, output
    out = step == "restart"
    shown = status(lab)
    assert {node["name"]: node["state"] for node in shown["nodes"]} == {
        "web1": "maint" if out else "ready",
        "web2": "ready",
    }
    assert shown["deployment"]["left_out"] == (["web1"] if out else [])
    assert f"web1 failed at {step}" in output
    assert ("left out: it takes no traffic" in output) is out
    assert f"rollout resume -i {lab.inventory}" in output
    assert (f"rollout restore -i {lab.inventory} " in output) is out


CANCELLED = {
    "release": (CHANGES["release"], ("ready", "1")),
    "restart": (("restart:\n  command: sh", "restart:\n  command: sleep 1; sh"), ("ready", "2")),
    "verify": (CHANGES["verify"], ("maint", "2")),
}
"""What makes a step last, and what becomes of the node in it."""


@pytest.mark.parametrize("step", CANCELLED)
async def test_a_cancelled_job_ends_soon_and_safely(start_lab: StartLab, step: str) -> None:
    """By one SIGTERM, without a terminal: a node that is not restarted yet returns at once; one that is gets
    its time to finish, and stays out otherwise. `resume` does the rest."""
    lab = start_lab(**HARSH | {"nodes": 2})
    change, ended = CANCELLED[step]
    change_inventory(lab, *change)
    if step == "verify":
        change_inventory(lab, "strategy:\n", "strategy:\n  grace: 2s\n")

    code, output, result = await stopped(lab, step, by=signal.SIGTERM, times=1)

    assert code == 130, output
    assert "SIGTERM: the nodes that are not restarted yet return, the others finish" in output
    assert result.losses == {}, output
    assert states(lab) == {"web1": ended, "web2": ("ready", "1")}
    change_inventory(lab, change[1], change[0])
    resumed = rollout(lab, "resume")
    assert resumed.returncode == 0, resumed.stdout
    assert set(states(lab).values()) == {("ready", "2")}
