"""A deployment that is killed leaves nothing in doubt: `resume` and `restore`, under live traffic."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from lab_support import StartLab
from test_deploy import HARSH, RATE, change_inventory, rollout, states, status

from rollout.lab.lab import Lab
from rollout.lab.result import Result
from rollout.lab.traffic import Traffic
from tests.support.begun import begin


async def killed_at(lab: Lab, step: str, node: str) -> None:
    """Run a deployment of release 2, and end it with SIGKILL as soon as it says that the step begins."""
    process = await begin("deploy", "--release", "2", "--output", "json", "-i", str(lab.inventory))
    try:
        async with asyncio.timeout(60):
            async for line in process.stdout:
                event: dict[str, Any] = json.loads(line)
                if (event["event"], event.get("step"), event.get("node")) == ("step_started", step, node):
                    return
        raise AssertionError(f"{step} of {node} was never begun")
    finally:
        await process.end()


async def killed_then(lab: Lab, step: str, verb: str) -> tuple[str, str, Result]:
    """What `status` says after the kill, what the command prints that is run then, and the traffic's fate."""
    async with Traffic([balancer.url for balancer in lab.load_balancers], RATE) as traffic:
        await traffic.flowing()
        await killed_at(lab, step, "web2")
        told = await asyncio.to_thread(rollout, lab, "status")
        done = await asyncio.to_thread(rollout, lab, verb)
        assert done.returncode == 0, done.stdout + done.stderr
    return told.stdout, done.stdout, traffic.result


# The simulation kills at any moment of any step, and does either.
async def test_a_killed_deployment_is_resumed(start_lab: StartLab) -> None:
    """Killed as it restarts the second of three nodes: the first is left alone, all end up upgraded."""
    lab = start_lab(**HARSH)

    told, output, result = await killed_then(lab, "restart", "resume")

    assert "interrupted (killed)" in told
    assert f"rollout resume -i {lab.inventory}" in told
    assert f"rollout restore -i {lab.inventory}" in told
    assert result.losses == {}, output
    assert "web1  drain" not in output
    assert states(lab) == dict.fromkeys(("web1", "web2", "web3"), ("ready", "2"))
    assert "nothing to resume" in rollout(lab, "resume").stdout


async def test_a_killed_deployment_is_restored(start_lab: StartLab) -> None:
    """Killed while the second of three nodes is verified: it is brought back, and nothing is deployed."""
    lab = start_lab(**HARSH)

    _, output, result = await killed_then(lab, "verify", "restore")

    assert result.losses == {}, output
    shown = states(lab)
    assert {state for state, _ in shown.values()} == {"ready"}
    assert (shown["web1"][1], shown["web3"][1]) == ("2", "1")
    assert status(lab)["deployment"]["left_out"] == []
    assert "no node was left out" in rollout(lab, "restore").stdout


def test_a_node_that_is_not_healthy_stays_out_and_is_named(start_lab: StartLab) -> None:
    """Restoring does not put a node back whose application does not answer; it may be tried again."""
    lab = start_lab(**HARSH)
    change_inventory(lab, "timeout: 30s", "timeout: 1s")
    restart = "restart:\n  command: sh "
    change_inventory(lab, restart, "restart:\n  command: kill -9 $(cat $OLDPWD/app.pid); true ")
    change_inventory(lab, "$OLDPWD", str(lab.nodes[0].folder))

    assert rollout(lab, "deploy", "--release", "2").returncode == 1
    restored = rollout(lab, "restore")

    assert restored.returncode == 1
    assert "web1 stays out: " in restored.stdout
    assert states(lab)["web1"] == ("maint", None)

    change_inventory(
        lab, f"restart:\n  command: kill -9 $(cat {lab.nodes[0].folder}/app.pid); true ", restart
    )
    change_inventory(lab, "timeout: 1s", "timeout: 30s")
    assert rollout(lab, "resume").returncode == 0
    assert states(lab) == dict.fromkeys(("web1", "web2", "web3"), ("ready", "2"))


async def halted(lab: Lab) -> tuple[int, str]:
    """A deployment that is halted from another terminal while its first node is drained."""
    process = await begin("deploy", "--release", "2", "--output", "json", "-i", str(lab.inventory))
    lines = []
    async with asyncio.timeout(90):
        async for line in process.stdout:
            lines.append(line.decode())
            event = json.loads(line)
            if (event["event"], event.get("step")) == ("step_started", "drain") and event["node"] == "web1":
                assert "deploy 2" in (await asyncio.to_thread(rollout, lab, "lock")).stdout
                for verb in ("ready", "drain"):
                    refused = await asyncio.to_thread(rollout, lab, verb, "web2")
                    assert (refused.returncode, "holds the lock" in refused.stderr) == (3, True)
                assert (await asyncio.to_thread(rollout, lab, "halt")).returncode == 0
        return await process.wait(), "".join(lines)


async def test_a_deployment_is_halted_from_another_terminal(start_lab: StartLab) -> None:
    """The node in flight finishes, no other one starts, and `resume` goes on from there.

    Until it ends, no other verb changes a node.
    """
    lab = start_lab(**{**HARSH, "start": 3.0})

    code, output = await halted(lab)

    assert code == 130, output
    assert "asked to halt" in output
    assert states(lab) == {"web1": ("ready", "2"), "web2": ("ready", "1"), "web3": ("ready", "1")}
    told = rollout(lab, "status").stdout
    assert "interrupted (" in told
    assert "asked to halt" in told
    assert rollout(lab, "resume").returncode == 0
    assert {release for _, release in states(lab).values()} == {"2"}
    assert rollout(lab, "halt").returncode == 3
