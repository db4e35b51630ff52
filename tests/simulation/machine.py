"""What a shell line does on a simulated node."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from rollout.domain import Completed, Note
from rollout.engine.checks.machines import ADDRESSES
from rollout.inventory.model import Inventory
from rollout.remote import drain_file, notes
from rollout.restart import plan_restarts
from tests.simulation.loop import of_the_world, world_time
from tests.simulation.node import PORT, SimNode

PREPARE, RELEASE, RESTART, RESTART_WORKER = "prepare", "release", "restart", "restart-worker"
"""Lines that an inventory of a simulation has."""


_LONG = 0.1
"""The share of commands that take seconds."""
_FOR_EVER = 1e9
"""Seconds that a command takes which does not end by itself."""


@dataclass(frozen=True)
class Running:
    """A command that runs on a node; `began` is when."""

    note: Note
    began: float
    timeout: float
    task: asyncio.Task[Completed]


class NotBegun(Exception):
    """A command did not begin, because the node was claimed since by `by`."""

    def __init__(self, by: str) -> None:
        super().__init__(by)
        self.by = by


class Machine:
    """`changes` are the lines that have an effect; `slow` are those of them that may take a while."""

    def __init__(self, node: SimNode, inventory: Inventory, rng: random.Random) -> None:
        self._node = node
        self._rng = rng
        self._claim = self._claimed_by = ""
        self._running: dict[str, Running] = {}
        """The commands that are noted, by the path of the note."""
        self._count = itertools.count(1)
        self._asked = bool(inventory.load_balancers)
        self.changes: dict[str, Callable[[float, Mapping[str, str]], Awaitable[Completed]]] = {
            PREPARE: self._prepare,
            RELEASE: self._release,
        }
        counting = drain_file.connections(PORT, node.address)
        self._looks: dict[str, Callable[[], Completed]] = {
            counting: self._connections,
            ADDRESSES: lambda: Completed(0, (node.address,)),
        }
        restarts = (self._restart, self._restart_worker)
        for driver, restart in zip(plan_restarts(inventory, str), restarts, strict=False):
            self.changes[driver.command] = restart
            if driver.precheck is not None:
                self._looks[driver.precheck] = lambda: Completed(0)
            if driver.proof is not None:
                self._looks[driver.proof.observe] = self._unit
            if driver.explain is not None:
                self._looks[driver.explain] = lambda: Completed(0, ("explained",))
        self.slow = frozenset(self.changes)
        self.questions: set[str] = set()
        """Those whose exit status is the answer: they may not be answered, but do not fail."""
        health_page = inventory.drain.health_page
        if health_page is not None and health_page.file is not None:
            self._page_lines(health_page.file)

    def start(
        self,
        line: str,
        environment: Mapping[str, str],
        note: Note | None,
        timeout: float,
        asked: float,
        *,
        hangs: bool = False,
    ) -> asyncio.Task[Completed]:
        """Begin a line, which goes on whatever becomes of who asked for it. Raises NotBegun."""
        if note is None:
            return of_the_world(self._look(line, environment))
        if note.claim != self._claim:
            raise NotBegun(self._claimed_by)
        if line in self.slow:
            self._node.watch.began(self._node, [running.note for running in self._running.values()])
        working = asyncio.sleep(_FOR_EVER, Completed(0)) if hangs else self.changes[line](asked, environment)
        task = of_the_world(_whole(working))
        path = f"/notes/{next(self._count)}"
        self._running[path] = Running(note, world_time(), timeout, task)
        task.add_done_callback(lambda _: self._running.pop(path))
        return task

    async def _look(self, line: str, environment: Mapping[str, str]) -> Completed:
        if line == notes.LOOK:
            return self._orphans(environment)
        if line == notes.END:
            self._running[environment["ROLLOUT_ENDED"]].task.cancel()
            return Completed(0)
        if line in self._looks:
            return self._looks[line]()
        if line.startswith("d=") or line == "command -v ss":
            return Completed(0)
        raise AssertionError(f"a line that no simulated node knows: {line}")

    def _orphans(self, environment: Mapping[str, str]) -> Completed:
        """What the real line prints, which claims the node as well."""
        if environment["ROLLOUT_CLAIM"]:
            self._claim, self._claimed_by = environment["ROLLOUT_CLAIM"], environment["ROLLOUT_SENDER"]
        now = world_time()
        lines = []
        for path, running in self._running.items():
            note, age, timeout = running.note, int(now - running.began), math.ceil(running.timeout)
            words = (path, age, timeout, "1 sh,", "", note.sender, note.step, note.deployment)
            lines.append("\t".join(map(str, ("runs", *words))))
        return Completed(0, tuple(lines))

    async def _works(self, usual: float) -> None:
        """Take as long as a part of a command takes: at most so many seconds, but now and then far more."""
        await asyncio.sleep(self._rng.uniform(0.0, 3.0 if self._rng.random() < _LONG else usual))

    async def _prepare(self, asked: float, environment: Mapping[str, str]) -> Completed:
        await self._works(0.2)
        return Completed(0, ("prepared",))

    async def _release(self, asked: float, environment: Mapping[str, str]) -> Completed:
        await self._works(0.2)
        self._node.installed = environment["ROLLOUT_RELEASE"]
        return Completed(0, ("installed",))

    async def _restart(self, asked: float, environment: Mapping[str, str]) -> Completed:
        await self._works(0.05)
        self._node.restart(asked)
        await asyncio.sleep(self._rng.uniform(0.0, 0.3))
        return Completed(0)

    async def _restart_worker(self, asked: float, environment: Mapping[str, str]) -> Completed:
        await self._works(0.05)
        self._node.worker = self._node.installed
        await asyncio.sleep(self._rng.uniform(0.0, 0.3))
        return Completed(0)

    def _unit(self) -> Completed:
        shown = {
            "LoadState": "loaded",
            "ActiveState": "active",
            "SubState": "running",
            "InvocationID": str(self._node.invocation),
            "Job": "",
            "Result": "success",
            "NRestarts": "0",
            "NeedDaemonReload": "no",
        }
        return Completed(0, tuple(f"{name}={value}" for name, value in shown.items()))

    def _connections(self) -> Completed:
        """A connection for each request, whose client spoke last. Where no load balancer can be asked, there
        is one more, which is kept for later; a simulated one that can be asked shows none of those."""
        lines: list[str] = []
        if not self._asked:
            kept = "rto:200 lastsnd:9000 lastrcv:9001 bytes_sent:9 bytes_received:9 data_segs_in:1"
            lines += ["0 0 here there:kept", f" {kept}"]
        for number in range(len(self._node.requests)):
            lines += [f"0 0 here there:{number}", " rto:200 lastsnd:9 bytes_received:9"]
        return Completed(0, tuple(lines))

    def _page_lines(self, file: str) -> None:
        async def create(asked: float, environment: Mapping[str, str]) -> Completed:
            self._node.set_file(file, there=True)
            return Completed(0)

        async def remove(asked: float, environment: Mapping[str, str]) -> Completed:
            self._node.set_file(file, there=False)
            return Completed(0)

        self.changes[drain_file.create(file)] = create
        self.changes[drain_file.remove(file)] = remove
        self.questions.add(drain_file.exists(file))
        self._looks[drain_file.exists(file)] = lambda: Completed(0 if file in self._node.files else 1)


async def _whole(working: Awaitable[Completed]) -> Completed:
    return await working
