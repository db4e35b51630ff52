"""A command that goes on when its controller is gone: no verb works beside it, and no request is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from lab_support import StartLab
from test_deploy import HARSH, RATE, change_inventory, rollout, states, status

from benchmarks.kills import Kills
from rollout.lab.lab import Lab
from rollout.lab.traffic import Traffic
from tests.support.begun import Begun, begin
from tests.support.until import until, wait

SECONDS = 3.71
"""Seconds that a command waits before it does its work; also how its process is found."""


@pytest.fixture
def lab(start_lab: StartLab) -> Lab:
    """Two nodes, and a `rollout` that has been run before: the next one is quick."""
    lab = start_lab(**HARSH | {"nodes": 2})
    status(lab)
    return lab


def slow(lab: Lab, step: str, way: str = "sh -c") -> Path:
    """Have a step take a while, and write each beginning and end of it to the file that is returned."""
    log = lab.home / f"{step}.log"
    script = f"{lab.home}/nodes/$ROLLOUT_NODE/{step}"
    change_inventory(
        lab,
        f"{step}:\n  command: sh {script}",
        f"{step}:\n  command: echo begins >>{log}; {way} 'sleep {SECONDS}; sh {script}'; echo ends >>{log}",
    )
    return log


def words(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


@asynccontextmanager
async def deploying(lab: Lab, log: Path) -> AsyncIterator[Begun]:
    """A deployment of release 2, whose slow command has just begun."""
    process = await begin("deploy", "--limit", "web1", "--release", "2", "-i", str(lab.inventory))
    try:
        await until(lambda: words(log) == ["begins"], "the command", within=60)
        yield process
    finally:
        await process.end()


def cut_connections(lab: Lab) -> None:
    """End the connection on which the slow command was started, and nothing that it started."""
    (pid,) = wait(lambda: [int(one) for one in os.listdir("/proc") if sleeps(one)], "the command")
    while not name(pid).startswith("sshd"):
        pid = parent(pid)
    while name(parent(pid)).startswith("sshd"):
        session, pid = pid, parent(pid)
        os.kill(session, signal.SIGKILL)


def sleeps(pid: str) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes() == f"sleep\0{SECONDS}\0".encode()
    return False


def name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text()


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])


async def test_a_node_returns_only_after_the_restart_that_was_left(lab: Lab) -> None:
    """Killed in the middle of a restart, then restored: the node is restarted, and only then returns."""
    log = slow(lab, "restart", "setsid nohup sh -c")
    async with Traffic([balancer.url for balancer in lab.load_balancers], RATE) as traffic:
        await traffic.flowing()
        async with deploying(lab, log) as deployment:
            deployment.kill()
            restored = await asyncio.to_thread(rollout, lab, "restore")
        assert restored.returncode == 0, restored.stderr
        assert words(log) == ["begins", "ends"]
    assert traffic.result.losses == {}, restored.stdout
    assert states(lab)["web1"] == ("ready", "2")
    assert status(lab)["deployment"]["left_out"] == []


async def test_a_connection_that_breaks_in_the_middle_of_a_restart(lab: Lab) -> None:
    """The deployment halts and leaves the node out; it too returns after its restart, by `ready`."""
    log = slow(lab, "restart")
    async with Traffic([balancer.url for balancer in lab.load_balancers], RATE) as traffic:
        await traffic.flowing()
        async with deploying(lab, log) as deployment:
            cut_connections(lab)
            assert await deployment.wait() == 1
            assert words(log) == ["begins"]
            ready = await asyncio.to_thread(rollout, lab, "ready", "web1")
        assert ready.returncode == 0, ready.stderr
        assert words(log) == ["begins", "ends"]
    assert traffic.result.losses == {}, ready.stdout


async def test_a_rollback_has_the_last_word(lab: Lab) -> None:
    """Killed in the middle of a release: the old release is on the disk in the end, not only in memory."""
    log = slow(lab, "release")
    async with deploying(lab, log) as deployment:
        deployment.kill()
        back = await asyncio.to_thread(rollout, lab, "rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    assert words(log) == ["begins", "ends"] * 2
    assert os.readlink(lab.nodes[0].folder / "current") == "releases/1"
    assert states(lab)["web1"] == ("ready", "1")


async def test_no_command_runs_beside_another(lab: Lab) -> None:
    """Killed in the middle of a release: the next one begins when that one has ended."""
    log = slow(lab, "release")
    async with deploying(lab, log) as deployment:
        deployment.kill()
        warned = await asyncio.to_thread(rollout, lab, "check", "--limit", "web1")
        done = await asyncio.to_thread(rollout, lab, "resume")
    assert "still runs: a deployment waits until it has ended" in warned.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert words(log) == ["begins", "ends"] * 2
    assert states(lab)["web1"] == ("ready", "2")


async def test_kills_at_random_moments(start_lab: StartLab) -> None:
    """Whichever verb is killed or cut off, and when: nothing is lost, and the next one puts things right."""
    await Kills(start_lab(**HARSH), 1.5, random.Random(3)).run(4)
