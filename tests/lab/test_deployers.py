"""Deployers of one service, each with a home of its own: all know the same, and one acts at a time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from lab_support import StartLab
from test_deploy import BEHIND_TWO, HARSH, RATE, change_inventory

from rollout.lab.traffic import Traffic
from tests.support import prepared
from tests.support.begun import Running, begin


class Deployer:
    """Somebody on some machine, with a home where nothing is known yet."""

    def __init__(self, inventory: Path, home: Path) -> None:
        self._inventory = inventory
        self._environment = os.environ | {"XDG_STATE_HOME": str(home)}

    async def begin(self, *words: str) -> Running:
        return await begin(*words, "-i", str(self._inventory), environment=self._environment)

    async def run(self, *words: str) -> tuple[int, str]:
        command = [*words, "-i", str(self._inventory)]
        ended = await asyncio.to_thread(prepared.run, command, environment=self._environment)
        return ended.returncode, ended.stdout + ended.stderr

    async def status(self) -> dict[str, Any]:
        code, output = await self.run("status", "--output", "json")
        assert code == 0, output
        document: dict[str, Any] = json.loads(output)
        return document

    @asynccontextmanager
    async def once(self, said: Callable[[str], bool], *words: str) -> AsyncIterator[Running]:
        """A verb that has just printed a line of which `said` is true; killed at the end if it still runs."""
        process = await self.begin(*words)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(90):
                async for line in process.stdout:
                    if said(line.decode()):
                        break
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def at(self, step: str, node: str, *words: str) -> AbstractAsyncContextManager[Running]:
        """A deployment that has just begun a step of a node."""

        def begins(line: str) -> bool:
            event = json.loads(line)
            return (event["event"], event.get("step"), event.get("node")) == ("step_started", step, node)

        return self.once(begins, *words, "--output", "json")


def releases(status: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {node["name"]: (node["state"], node["release"]) for node in status["nodes"]}


ALL_NEW = dict.fromkeys(("web1", "web2", "web3"), ("ready", "3"))


async def test_a_colleague_sees_what_runs_and_rolls_back_what_ended(
    start_lab: StartLab, tmp_path: Path
) -> None:
    """While one deploys, the other sees it and is refused; afterwards each can undo it."""
    lab = start_lab(**HARSH)
    change_inventory(lab, "  canary: 1\n", "  canary: 1\n  pause: after-canary\n")
    ann, bob = (Deployer(lab.inventory, tmp_path / name) for name in ("ann", "bob"))
    async with ann.at("restart", "web1", "deploy", "--release", "2") as process:
        assert (await bob.status())["deployment"]["state"] == "running"
        code, output = await bob.run("deploy", "--release", "3")
        assert (code, "holds the lock" in output) == (3, True), output
        code, output = await bob.run("halt")
        assert code == 0, output
        assert process.stdout is not None
        await process.stdout.read()
        assert await process.wait() == 130
    assert (await bob.run("resume"))[0] == 0
    assert {release for _, release in releases(await ann.status()).values()} == {"2"}
    code, output = await ann.run("rollback")
    assert code == 0, output
    assert {release for _, release in releases(await bob.status()).values()} == {"1"}
    code, output = await bob.run("history", "--output", "json")
    assert [deployment["release"] for deployment in json.loads(output)][-2:] == ["2", "1"]


async def test_of_ten_races_each_has_one_winner(start_lab: StartLab, tmp_path: Path) -> None:
    """Two begin at the same moment: one is refused, the other one deploys."""
    lab = start_lab(**HARSH | {"nodes": 2})
    deployers = [Deployer(lab.inventory, tmp_path / name) for name in ("ann", "bob")]
    for race in range(10):
        words = [("deploy", "--release", f"{race}.{which}", "--limit", "web1") for which in range(2)]
        ended = await asyncio.gather(*(one.run(*two) for one, two in zip(deployers, words, strict=True)))
        codes = sorted(code for code, _ in ended)
        # Where the first has ended before the second begins, both may deploy, one after the other.
        assert codes in ([0, 3], [0, 0]), ended
    shown = [await one.status() for one in deployers]
    assert shown[0]["deployment"] == shown[1]["deployment"]


async def test_one_that_was_overtaken_in_its_sleep_touches_nothing_more(
    start_lab: StartLab, tmp_path: Path
) -> None:
    """It is stopped for longer than a lock lasts, and another one takes over: when it wakes, it says so."""
    lab = start_lab(**HARSH | {"start": 0.2})
    sleeper, other = (Deployer(lab.inventory, tmp_path / name) for name in ("sleeper", "other"))
    async with Traffic(lab.urls, RATE / 5) as traffic:  # for a minute and more
        await traffic.flowing()
        async with sleeper.at("verify", "web1", "deploy", "--release", "2") as process:
            process.send_signal(signal.SIGSTOP)
            code, output = await other.run("deploy", "--release", "3", "--wait", "60s")
            assert code == 0, output
            process.send_signal(signal.SIGCONT)
            assert process.stdout is not None
            said = (await process.stdout.read()).decode()
            assert await process.wait() == 1
        assert "took over" in said
    assert releases(await sleeper.status()) == ALL_NEW
    assert traffic.result.losses == {}


async def test_other_load_balancers_make_another_service(start_lab: StartLab, tmp_path: Path) -> None:
    """It is told so, and is not given the history of the first one."""
    lab = start_lab(**BEHIND_TWO)
    ann = Deployer(lab.inventory, tmp_path / "ann")
    assert (await ann.run("deploy", "--release", "2"))[0] == 0
    inventory = yaml.safe_load(lab.inventory.read_text())
    del inventory["load_balancers"]["lb2"]
    lab.inventory.write_text(yaml.safe_dump(inventory))

    code, output = await ann.run("rollback")

    assert code == 3
    assert "shop has other load balancers than at deployment 1" in output
    assert "shop has not been deployed yet" in output
