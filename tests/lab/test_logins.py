"""Deployers with different logins, homes and process numbers, on a machine whose name is the same: what one
does, the other sees, stops, continues and takes over."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from test_deploy import HARSH, RATE
from test_deployers import ALL_NEW, Deployer, releases

from rollout.lab.lab import Lab
from rollout.lab.traffic import Traffic
from tests.support.begun import Running
from tests.support.logins import GROUP, NAMES, Logins, logins, run

_UP = "import sys; from pathlib import Path; from rollout.lab.lab import Lab; Lab.up(Path(sys.argv[1]), **{})"
_SHARE = ("install", "-d", "-m", "2770", "-g", "deploy", "/var/lib/rollout")


class Login(Deployer):
    """A deployer who runs Python by `python`."""

    def __init__(self, inventory: Path, home: Path, python: Sequence[str]) -> None:
        super().__init__(inventory, home)
        self._python = python

    async def begin(self, *words: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *(*self._python, "-m", "rollout", *words, "-i", str(self._inventory)),
            env=self._environment,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
        )

    async def run(self, *words: str) -> tuple[int, str]:
        process = await self.begin(*words)
        async with asyncio.timeout(120):
            output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()


@dataclass
class Shared:
    """A lab in a machine that two logins share: both may use HAProxy's sockets, and log in by SSH."""

    lab: Lab
    logins: Logins

    def deployers(self, scheme: str, **strategy: str) -> list[Deployer]:
        """Both logins, who reach the load balancers by `ssh`, or by their sockets here, by `unix`."""
        return [self._deployer(name, scheme, strategy) for name in NAMES]

    def _deployer(self, name: str, scheme: str, strategy: Mapping[str, str]) -> Deployer:
        inventory = yaml.safe_load(self.lab.inventory.read_text())
        del inventory["state"]  # where all meet without it
        inventory["strategy"] |= {"bake": 0, **strategy}
        for balancer in inventory["load_balancers"].values():
            for socket, address in balancer.items():
                balancer[socket] = _reached(address, name if scheme == "ssh" else "")
        path = self.logins.home(name) / f"{'-'.join((scheme, *strategy))}.yml"
        path.write_text(yaml.safe_dump(inventory))
        return Login(path, self.logins.home(name) / "state", self.logins.python(name))


def _reached(address: str, login: str) -> str:
    """A socket's address for a login, or without one, as it is reached here."""
    host, _, path = address.partition("@")[2].partition("/")
    return f"ssh://{login}@{host}/{path}" if login else f"unix:///{path}"


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    with logins() as both:
        directory = both.folder / "lab"
        run(both.root(sys.executable, "-c", _UP.format(HARSH), directory))
        lab = Lab.load(directory)
        try:
            for balancer in lab.load_balancers:
                for socket in balancer.folder.glob("*.sock"):
                    os.chown(socket, -1, GROUP)
                    socket.chmod(0o660)
            key = lab.home / "ssh" / "id_ed25519"
            os.chown(key, -1, GROUP)
            key.chmod(0o640)
            yield Shared(lab, both)
        finally:
            lab.down()


async def read_until(process: Running, event: str, step: str | None = None, node: str | None = None) -> None:
    """Read what a deployment prints until that has happened."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        async for line in process.stdout:
            said = json.loads(line)
            if (said["event"], said.get("step"), said.get("node")) == (event, step, node):
                return
    raise AssertionError(f"no {event}")


async def test_what_one_login_began_the_other_stops_continues_and_takes_over(shared: Shared) -> None:
    """A live lock is not stolen, whatever its process number; a dead one is taken over; `status`, `promote`,
    `halt` and `resume` know no logins."""
    run(shared.logins.root(*_SHARE))
    ann, bob = shared.deployers("ssh", pause="after-canary")
    _, going_on = shared.deployers("ssh")
    async with Traffic(shared.lab.urls, RATE) as traffic:
        await traffic.flowing()
        async with ann.at("ready", "web1", "deploy", "--release", "2") as process:
            await read_until(process, "paused")
            assert (await bob.status())["deployment"]["state"] == "running"
            code, output = await bob.run("deploy", "--release", "9")
            assert (code, "ann on " in output, "holds the lock" in output) == (3, True, True), output
            code, output = await bob.run("halt")
            assert code == 0, output
            assert await process.wait() == 130
        code, output = await bob.run("resume")
        assert code == 0, output
        async with ann.at("ready", "web1", "deploy", "--release", "4") as process:
            await read_until(process, "paused")
            code, output = await bob.run("promote")
            assert code == 0, output
            await read_until(process, "step_started", "verify", "web2")
            process.kill()
            await process.wait()
        (beat,) = shared.logins.folder.glob("var/lib/rollout/*/beat")
        os.utime(beat, (time.time() - 60,) * 2)
        assert (await bob.status())["deployment"]["state"] == "interrupted"
        code, output = await going_on.run("deploy", "--release", "3", "--output", "json")
        assert code == 0, output
    steps = [json.loads(line) for line in output.splitlines() if '"step_started"' in line]
    assert steps[0]["node"] == "web2"
    assert releases(await ann.status()) == releases(await bob.status()) == ALL_NEW
    assert traffic.result.losses == {}


async def test_of_two_users_of_a_socket_one_is_at_work_at_a_time(shared: Shared) -> None:
    """They begin at the same moment, again and again, where nobody has made a folder for them: who is not
    refused comes after the other."""
    shutil.rmtree(shared.logins.folder / "var/lib/rollout", ignore_errors=True)
    both = shared.deployers("unix")
    done = 0
    for race in range(2):
        words = [("deploy", "--release", f"{race}.{name}", "--limit", "web1") for name in NAMES]
        ended = await asyncio.gather(*(one.run(*two) for one, two in zip(both, words, strict=True)))
        codes = sorted(code for code, _ in ended)
        assert codes in ([0, 3], [0, 0]), ended
        done += codes.count(0)
    pasts = [json.loads((await one.run("history", "--output", "json"))[1]) for one in both]
    assert pasts[0] == pasts[1]
    assert len(pasts[0]) == done
    (place,) = shared.logins.folder.glob("var/tmp/rollout-*")
    assert (place.stat().st_gid, place.stat().st_mode & 0o7777) == (GROUP, 0o2770)
