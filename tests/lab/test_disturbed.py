"""A deployment while a load balancer restarts, or while connections are cut.

HAProxy has its default retries and `option redispatch` here; restarts kill the application where it stands.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab_support import StartLab
from test_deploy import RATE, change_inventory, rollout, states

from rollout.lab.lab import Lab
from rollout.lab.result import Result
from rollout.lab.traffic import Traffic
from tests.support.begun import begin
from tests.support.sshd import descendants
from tests.support.until import until, wait

USUAL: dict[str, Any] = {
    "nodes": 3,
    "load_balancers": 2,
    "start": 0.3,
    "kill": True,
    "retries": 3,
    "redispatch": True,
}
DONE = dict.fromkeys(("web1", "web2", "web3"), ("ready", "2"))

Disturb = Callable[[Lab], None]


async def disturbed(lab: Lab, step: str, disturb: Disturb) -> tuple[int, str, Result]:
    """A deployment under traffic, in which `disturb` comes as soon as that step of web2 begins."""
    async with Traffic([balancer.url for balancer in lab.load_balancers], RATE) as traffic:
        await traffic.flowing()
        process = await begin("deploy", "--release", "2", "--output", "json", "-i", str(lab.inventory))
        lines = []
        try:
            async with asyncio.timeout(90):
                async for line in process.stdout:
                    lines.append(line.decode())
                    event = json.loads(line) if line.startswith(b"{") else {}
                    begins = (event.get("event"), event.get("step"), event.get("node"))
                    if begins == ("step_started", step, "web2"):
                        await asyncio.to_thread(disturb, lab)
                code = await process.wait()
        finally:
            await process.end()
        answered = len(traffic.result.latencies)
        await until(lambda: len(traffic.result.latencies) > answered + 50, "more answers")
    return code, "".join(lines), traffic.result


def restart_haproxy(lab: Lab) -> None:
    """The first load balancer's, killed and started again: whoever asks it meanwhile is refused."""
    config = str(lab.load_balancers[0].folder / "haproxy.cfg")
    master, *_ = running = pids(config)
    command = Path(f"/proc/{master}/cmdline").read_text().split("\0")[:-1]
    variables = Path(f"/proc/{master}/environ").read_text().split("\0")[:-1]
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    wait(lambda: not pids(config), "the end of HAProxy")
    environment = dict(one.split("=", 1) for one in variables if not one.startswith("HAPROXY_"))
    again = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
    assert again.returncode == 0, (command, again.stderr)


def cut_ssh(lab: Lab) -> None:
    """Every connection to web2's sshd, while a command runs in one of them."""
    config = str(lab.nodes[1].folder / "sshd_config")
    listener = pids(config)[0]
    wait(lambda: any(name_of(pid) == "sleep" for pid in descendants(listener)), "the command to run")
    for pid in descendants(listener):
        if name_of(pid) == "sshd":
            os.kill(pid, signal.SIGKILL)


def pids(argument: str) -> list[int]:
    """The living processes that have `argument` on their command line, in order."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if argument in (entry / "cmdline").read_text(errors="replace"):
                found.append(int(entry.name))
    return sorted(found)


def name_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


async def test_haproxy_is_restarted(start_lab: StartLab) -> None:
    """Killed and started again while a node is out: users see that it was away, and nothing else."""
    lab = start_lab(**USUAL)

    code, output, result = await disturbed(lab, "verify", restart_haproxy)

    assert code == 0, output
    assert not [kind for kind in result.losses if kind.startswith("status")], result.losses
    assert states(lab) == DONE


async def test_ssh_is_cut_in_the_middle_of_a_command(start_lab: StartLab) -> None:
    """Whether the command worked is unknown: the node stays out, no request is lost, `resume` goes on."""
    lab = start_lab(**USUAL)
    change_inventory(lab, "restart:\n  command: ", "restart:\n  command: sleep 0.5; ")

    code, output, result = await disturbed(lab, "restart", cut_ssh)

    assert code == 1, output
    assert result.losses == {}, output
    assert states(lab)["web2"][0] == "maint"
    assert '"unknown": true' in output
    assert rollout(lab, "resume").returncode == 0
    assert states(lab) == DONE
