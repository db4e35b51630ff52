"""What a shell line does on a simulated node."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

from rollout.domain import Completed
from rollout.engine.checks.machines import ADDRESSES
from rollout.engine.checks.on_node import ANY_LINE
from rollout.inventory.model import Inventory
from rollout.remote import drain_file
from rollout.restart import plan_restart
from tests.simulation.node import PORT, SimNode

PREPARE, RELEASE, RESTART = "prepare", "release", "restart"
"""Lines that an inventory of a simulation has."""


class Machine:
    """`changes` are the lines that have an effect; `slow` are those of them that may take a while."""

    def __init__(self, node: SimNode, inventory: Inventory, rng: random.Random) -> None:
        self._node = node
        self._rng = rng
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
        driver = plan_restart(inventory.restart, str)
        self.changes[driver.command] = self._restart
        if driver.precheck is not None:
            self._looks[driver.precheck] = lambda: Completed(0)
        if driver.proof is not None:
            self._looks[driver.proof.observe] = self._unit
            self._looks[driver.proof.explain] = lambda: Completed(0, ("explained",))
        self.slow = frozenset(self.changes)
        self.questions: set[str] = set()
        """Those whose exit status is the answer: they may not be answered, but do not fail."""
        health_page = inventory.drain.health_page
        if health_page is not None and health_page.file is not None:
            self._page_lines(health_page.file)

    async def run(self, line: str, environment: Mapping[str, str], asked: float) -> Completed:
        if line in self.changes:
            return await self.changes[line](asked, environment)
        if line in self._looks:
            return self._looks[line]()
        if line.startswith("d=") or line in ("command -v ss", ANY_LINE):
            return Completed(0)
        raise AssertionError(f"a line that no simulated node knows: {line}")

    async def _prepare(self, asked: float, environment: Mapping[str, str]) -> Completed:
        await asyncio.sleep(self._rng.uniform(0.01, 0.2))
        return Completed(0, ("prepared",))

    async def _release(self, asked: float, environment: Mapping[str, str]) -> Completed:
        await asyncio.sleep(self._rng.uniform(0.01, 0.2))
        self._node.installed = environment["ROLLOUT_RELEASE"]
        return Completed(0, ("installed",))

    async def _restart(self, asked: float, environment: Mapping[str, str]) -> Completed:
        await asyncio.sleep(self._rng.uniform(0.0, 0.05))
        self._node.restart(asked)
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
