"""`rollout deploy` on the lab, as a user runs it: real HAProxy, real sshd, real gunicorn, live traffic.

HAProxy retries nothing here and restarts kill the application where it stands, so that each request which is
sent to a node at the wrong moment is lost, and counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from lab_support import SOON, StartLab, statuses

from rollout.lab.lab import Lab
from rollout.lab.result import Result
from rollout.lab.traffic import Traffic
from tests.support import prepared
from tests.support.begun import Running, begin
from tests.support.until import until

HARSH: dict[str, Any] = {
    "nodes": 3,
    "load_balancers": 1,
    "start": 0.3,
    "kill": True,
    "retries": 0,
    "redispatch": False,
    **SOON,
}
BEHIND_TWO = HARSH | {"load_balancers": 2}
RATE = 50.0
Begin = Callable[..., Awaitable[Running]]

WITHOUT_DRAINING = """
import sys
from rollout.cli.main import main
from rollout.engine.rotation.by_socket import SocketRotation

async def nothing(self, log):
    pass

for way in ("leave", "drained", "guard", "still_out", "prove", "enter"):
    setattr(SocketRotation, way, nothing)
sys.exit(main())
"""


def rollout(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    return prepared.run([*words, "-i", str(lab.inventory)], timeout=90)


def status(lab: Lab) -> dict[str, Any]:
    shown = rollout(lab, "status", "--output", "json")
    assert shown.returncode == 0, shown.stderr
    document: dict[str, Any] = json.loads(shown.stdout)
    return document


def states(lab: Lab) -> dict[str, tuple[str, str | None]]:
    """Each node's state and release."""
    return {node["name"]: (node["state"], node["release"]) for node in status(lab)["nodes"]}


def change_inventory(lab: Lab, old: str, new: str) -> None:
    text = lab.inventory.read_text()
    assert old in text
    lab.inventory.write_text(text.replace(old, new))


async def under_traffic(lab: Lab, *words: str, begin: Begin = begin) -> tuple[int, str, Result]:
    """Run a verb on the lab while requests flow: its exit code, its output, and what became of them."""
    urls = [balancer.url for balancer in lab.load_balancers]
    async with Traffic(urls, RATE) as traffic:
        await traffic.flowing()
        process = await begin(*words, "-i", str(lab.inventory))
        assert process.stdout is not None
        try:
            async with asyncio.timeout(90):
                output = await process.stdout.read()
                code = await process.wait()
        except BaseException:
            process.kill()
            raise
        answered = len(traffic.result.latencies)
        await until(lambda: len(traffic.result.latencies) > answered + 50, "the last node to get its share")
    return code, output.decode(), traffic.result


def deploy_under_traffic(lab: Lab, *words: str) -> tuple[int, str, Result]:
    return asyncio.run(under_traffic(lab, "deploy", *words))


@pytest.mark.parametrize("drain", ["runtime", "health-page"])
def test_a_release_is_rolled_and_no_request_is_lost(
    start_lab: StartLab, haproxy_binary: Path, drain: str
) -> None:
    """Three nodes, each four servers of two HAProxy, under steady traffic: all are upgraded, none is lost."""
    lab = start_lab(**BEHIND_TWO, drain=drain, haproxy=str(haproxy_binary))

    code, output, result = deploy_under_traffic(lab, "--release", "2")

    assert code == 0, output
    assert result.losses == {}, output
    assert result.nodes("2") == {"web1", "web2", "web3"}
    assert states(lab) == dict.fromkeys(("web1", "web2", "web3"), ("ready", "2"))


async def test_the_same_without_draining_loses_requests(start_lab: StartLab) -> None:
    """The traffic and the lab above do notice: with the drain taken out of the engine, requests are lost."""
    lab = start_lab(**HARSH)

    async def without_draining(*words: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WITHOUT_DRAINING, *words), stdout=PIPE, stderr=STDOUT
        )

    _, output, result = await under_traffic(lab, "deploy", "--release", "2", begin=without_draining)

    assert result.lost > 0, output


def test_a_failing_release_stops_at_its_node_and_is_mended_by_the_next(start_lab: StartLab) -> None:
    """The failed node stays out, no other is touched, nothing is lost; a good release takes it back."""
    lab = start_lab(**HARSH)
    good = "command: sh "
    bad = "command: test $ROLLOUT_NODE != web2 || { echo the disk is full; exit 9; }; sh "
    change_inventory(lab, f"release:\n  {good}", f"release:\n  {bad}")

    code, output, result = deploy_under_traffic(lab, "--release", "2")

    assert (code, result.lost) == (1, 0), output
    assert "web2 failed at release" in output
    assert "the disk is full" in output
    assert f"rollout restore -i {lab.inventory}" in output
    assert states(lab) == {"web1": ("ready", "2"), "web2": ("maint", "1"), "web3": ("ready", "1")}
    assert status(lab)["deployment"]["left_out"] == ["web2"]

    change_inventory(lab, bad, good)
    code, output, result = deploy_under_traffic(lab, "--release", "3")

    assert (code, result.lost) == (0, 0), output
    assert states(lab) == dict.fromkeys(("web1", "web2", "web3"), ("ready", "3"))


def test_an_old_process_that_still_answers_is_not_taken_for_the_new_release(start_lab: StartLab) -> None:
    """A restart command that restarts nothing fails at verify: the page still reports the old release."""
    lab = start_lab(**HARSH)
    change_inventory(lab, "restart:\n  command: sh ", "restart:\n  command: true sh ")
    change_inventory(lab, "timeout: 30s", "timeout: 1s")

    code, output, result = deploy_under_traffic(lab, "--release", "2")

    assert (code, result.lost) == (1, 0), output
    assert "it runs 1, not 2" in output
    assert states(lab)["web1"] == ("maint", "1")


def test_a_failing_prepare_touches_nothing(start_lab: StartLab) -> None:
    """It runs on every node before the first is drained, so all of them serve on as before."""
    lab = start_lab(**HARSH)
    change_inventory(lab, "release:\n", "prepare:\n  command: test $ROLLOUT_NODE != web3\n\nrelease:\n")

    code, output, result = deploy_under_traffic(lab, "--release", "2")

    assert (code, result.lost) == (1, 0), output
    assert "no node was touched" in output
    assert "state drain" not in output
    assert states(lab) == dict.fromkeys(("web1", "web2", "web3"), ("ready", "1"))


def test_the_last_server_is_not_taken(start_lab: StartLab) -> None:
    """By hand and by deploy it is refused, unless an outage is allowed."""
    lab = start_lab(nodes=2, start=0.0)
    assert rollout(lab, "drain", "web1").returncode == 0

    by_hand = rollout(lab, "drain", "web2")
    deployed = rollout(lab, "deploy", "--release", "2")

    assert by_hand.returncode == 1
    assert deployed.returncode == 3
    assert "is the last server that takes traffic" in by_hand.stdout
    assert "is the last server that takes traffic" in deployed.stderr
    assert states(lab)["web2"] == ("ready", "1")

    assert rollout(lab, "deploy", "--release", "2", "--allow-outage").returncode == 0
    assert states(lab) == {"web1": ("maint", "1"), "web2": ("ready", "2")}


def test_plan_and_check_touch_nothing(start_lab: StartLab) -> None:
    """Plan shows servers, commands and capacity; check finds a healthy lab fit for a deploy."""
    lab = start_lab(nodes=3)

    plan = rollout(lab, "plan", "--release", "2")
    check = rollout(lab, "check")

    assert (plan.returncode, check.returncode) == (0, 0), plan.stderr + check.stdout + check.stderr
    assert "set server shop/web1 state drain" in plan.stdout
    assert "lb1 shop: 2 of 3 servers stay ready" in plan.stdout
    assert "a deploy can begin: 0 problems" in check.stdout
    assert set(statuses(lab.load_balancers[0]).values()) == {"UP"}
    assert states(lab) == dict.fromkeys(("web1", "web2", "web3"), ("ready", "1"))


def test_status_tells_of_what_cannot_be_reached(start_lab: StartLab) -> None:
    """A dead application and a dead load balancer are rows, not crashes."""
    lab = start_lab(nodes=2, load_balancers=2)
    change_inventory(lab, "load_balancers/lb2/admin.sock", "load_balancers/lb2/no.sock")
    os.kill(int((lab.nodes[0].folder / "app.pid").read_text()), 9)

    document = status(lab)
    text = rollout(lab, "status")

    first, second = document["nodes"]
    assert (first["state"], first["healthy"], second["healthy"]) == ("unknown", False, True)
    assert "unreachable" in {server["status"] for server in first["servers"]}
    assert (text.returncode, "Traceback" in text.stderr) == (0, False)
    assert "connection refused" in text.stdout
    assert "unreachable: lb2" in text.stdout


def test_history_and_json_events_tell_the_same(start_lab: StartLab) -> None:
    """One event a line, each with its time; the journal then lists the deployment as done."""
    lab = start_lab(nodes=2)

    deployed = rollout(lab, "deploy", "--release", "2", "--output", "json")
    events = [json.loads(line) for line in deployed.stdout.splitlines()]
    listed = json.loads(rollout(lab, "history", "--output", "json").stdout)

    assert events[0]["event"] == "deployment_started"
    assert events[-1]["event"] == "deployment_finished"
    assert events[-1]["outcome"] == "done"
    steps = [
        event["step"] for event in events if event["event"] == "step_finished" and event["node"] == "web1"
    ]
    assert steps == ["drain", "release", "restart", "verify", "ready"]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [(one["deployment"], one["outcome"], one["done"]) for one in listed] == [(1, "done", 2)]
