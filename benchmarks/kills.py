"""Verbs that are killed at random moments, one after another, while users send requests: nothing may be lost.

    .venv/bin/python -m benchmarks.kills [KILLS] [SEED]

Each restart takes five seconds and goes on when its controller is gone. A kill is SIGKILL for `rollout`, or
the end of all its SSH connections.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.measuring import tell
from rollout.lab.lab import Lab
from rollout.lab.result import Result
from rollout.lab.traffic import Traffic

_KILLS = 100
_RESTART = 5.0
"""Seconds that a restart takes."""
_RATE = 50.0
_HARSH: dict[str, Any] = {
    "nodes": 3,
    "load_balancers": 2,
    "start": 0.3,
    "kill": True,
    "retries": 0,
    "redispatch": False,
}


def main() -> None:
    kills, seed = (*map(int, sys.argv[1:]), *(_KILLS, 1)[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory(prefix="rollout-") as folder:
        os.environ["XDG_STATE_HOME"] = f"{folder}/state"
        lab = Lab.up(Path(folder, "lab"), **_HARSH)
        try:
            asyncio.run(Kills(lab, _RESTART, random.Random(seed)).run(kills))
        finally:
            lab.down()


class Kills:
    """Kills of verbs on a lab whose restarts take `restart` seconds, at moments that `rng` draws."""

    def __init__(self, lab: Lab, restart: float, rng: random.Random) -> None:
        self._lab = lab
        self._rng = rng
        self._restart = restart
        self._log = lab.home / "restarts"
        self._log.mkdir()
        self._release = 1
        self.killed: Counter[str] = Counter()
        self.result = Result()
        script = f"sh {lab.home}/nodes/$ROLLOUT_NODE/restart"
        pause, log = f"sleep {restart / 2}", f"{self._log}/$ROLLOUT_NODE"
        slow = f"echo begins >>{log}; {pause}; {script}; {pause}; echo ends >>{log}"
        text = lab.inventory.read_text()
        assert text.count(script) == 1
        lab.inventory.write_text(text.replace(script, slow))

    async def run(self, kills: int) -> None:
        """Kill so many verbs, then bring the last release to its end. Raises AssertionError for anything that
        was lost or is in doubt."""
        async with Traffic([balancer.url for balancer in self._lab.load_balancers], _RATE) as traffic:
            self.result = traffic.result
            await traffic.flowing()
            while self.killed.total() < kills:
                await self._kill_one()
                self._require(not traffic.result.losses, f"lost: {traffic.result.losses}")
            await self._to_the_end()
        self._tell()

    async def _kill_one(self) -> None:
        verb = self._next()
        process = await self._start(*verb)
        moment = self._rng.uniform(0.2, 3 * self._restart)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), moment)
            return
        how = self._rng.choice(("killed", "killed", "cut off"))
        if how == "killed":
            with suppress(ProcessLookupError):  # it has ended in this moment
                process.kill()
        else:
            self._cut_connections()
        await process.wait()
        self.killed[verb[0]] += 1
        print(f"  {self.killed.total()}: {' '.join(verb)} {how} after {moment:.1f} s", flush=True)

    def _next(self) -> list[str]:
        """A verb that may follow, as people choose it."""
        verb = self._rng.choice(("deploy", "deploy", "resume", "rollback", "restore", "ready"))
        if verb == "deploy":
            self._release += 1
            return ["deploy", "--release", str(self._release)]
        return [verb, f"web{self._rng.randint(1, 3)}"] if verb == "ready" else [verb]

    async def _to_the_end(self) -> None:
        self._release += 1
        process = await self._start("deploy", "--release", str(self._release), told=True)
        output, _ = await process.communicate()
        self._require(process.returncode == 0, output.decode())
        shown = await self._start("status", "--output", "json", told=True)
        status = json.loads((await shown.communicate())[0])
        states = {(node["state"], node["release"]) for node in status["nodes"]}
        self._require(states == {("ready", str(self._release))}, str(states))
        self._require(not status["deployment"]["left_out"], "a node is still left out")
        for log in self._log.iterdir():
            words = log.read_text().split()
            self._require(words == ["begins", "ends"] * (len(words) // 2), f"{log.name} overlaps: {words}")

    async def _start(self, *words: str, told: bool = False) -> asyncio.subprocess.Process:
        output = asyncio.subprocess.PIPE if told else asyncio.subprocess.DEVNULL
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rollout", *words, "-i", str(self._lab.inventory)),
            stdout=output,
            stderr=asyncio.subprocess.STDOUT if told else output,
        )

    def _cut_connections(self) -> None:
        """End all SSH connections to the lab's machines, and nothing that was started on them."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                if self._is_session(stat.parent):
                    os.kill(int(stat.parent.name), signal.SIGKILL)

    def _is_session(self, process: Path) -> bool:
        """Whether a process is that of one connection: its parent is the sshd of a machine of the lab."""
        if not (process / "comm").read_text().startswith("sshd"):
            return False
        number = (process / "stat").read_text().rpartition(") ")[2].split()[1]
        return f"{self._lab.home}/".encode() in Path(f"/proc/{number}/cmdline").read_bytes()

    def _require(self, holds: bool, otherwise: str) -> None:
        assert holds, f"{otherwise}\nafter {dict(self.killed)}"

    def _tell(self) -> None:
        for verb, count in self.killed.most_common():
            tell(f"killed: {verb}", str(count))
        tell("requests", str(self.result.sent))
        tell("lost", str(self.result.lost), "0")


if __name__ == "__main__":
    main()
