"""A site without any other program: a load balancer and machines in memory, where everything works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rollout.adapters.sources import LocalSources
from rollout.domain import (
    AdminState,
    Answer,
    Completed,
    Logged,
    Note,
    OperationalState,
    Reading,
    Server,
    ServerState,
    Session,
)
from rollout.engine.site import Site
from rollout.inventory import Inventory
from tests.support.states import reading, state

_STATES = {"drain": AdminState.FORCED_DRAIN, "maint": AdminState.FORCED_MAINT, "ready": AdminState.READY}
_ANSWERS_AFTER = 0.1
"""Seconds, of virtual time."""
_CHECK = 0.3
"""Seconds until a check that was begun again has passed."""
_DOWN: dict[str, Any] = {"operational": OperationalState.STOPPED, "check_health": 0, "status": "DOWN"}
_UP: dict[str, Any] = {"operational": OperationalState.RUNNING, "check_health": 2, "status": "UP"}


class MemoryBalancer:
    """Implements `LoadBalancer`: each node of an inventory is a server of each backend.

    In each other backend, only the first node is up, as where one leads. All other checks pass.
    """

    name = "lb1"

    def __init__(self, inventory: Inventory, backends: int) -> None:
        self._states: dict[str, ServerState] = {}
        self._led: set[str] = set()
        self._passes: dict[str, float] = {}
        """When the check of a server will have passed."""
        _, *others = inventory.nodes
        for number in range(backends):
            for name, node in inventory.nodes.items():
                path = f"b{number}/{name}"
                self._states[path] = state(path, address=node.host, weight=100, configured_weight=100)
            if number % 2:
                self._led.update(f"b{number}/{name}" for name in others)
        for path in self._led:
            self._states[path] = replace(self._states[path], **_DOWN)

    def set(self, path: str, **changes: Any) -> None:
        """Change a server."""
        self._states[path] = replace(self._states[path], **changes)

    async def read(self) -> Reading:
        await asyncio.sleep(_ANSWERS_AFTER)
        now = asyncio.get_running_loop().time()
        for path in [path for path, passes in self._passes.items() if passes <= now]:
            del self._passes[path]
            self._states[path] = replace(self._states[path], **_UP)
        return reading(*self._states.values())

    async def states(self) -> Reading:
        return await self.read()

    async def look(self, servers: Collection[Server], *, now: bool = False) -> Reading:
        return await self.read()

    def recent(self, since: float = 0.0, of: Collection[Server] | None = None) -> Reading | None:
        return None

    async def process(self) -> tuple[int, int]:
        return (await self.read()).process

    async def send(self, commands: Sequence[str], servers: Collection[Server] | None = None) -> None:
        await asyncio.sleep(_ANSWERS_AFTER)
        for command in commands:
            _, _, path, what, value = command.split()
            if what == "state":
                self._states[path] = replace(self._states[path], admin=_STATES[value])
            elif what == "weight":
                self._states[path] = replace(self._states[path], weight=int(value))
            elif (what, value) == ("health", "down"):
                self._states[path] = replace(self._states[path], **_DOWN)
                if path not in self._led:
                    self._passes[path] = asyncio.get_running_loop().time() + _CHECK

    async def server_states(self) -> str:
        raise NotImplementedError

    async def sessions(self, servers: Collection[Server], *, named: int) -> list[Session]:
        return []

    async def logged(self) -> Logged | None:
        return None

    async def level(self) -> str:
        return "admin"

    def focus(self, backends: Iterable[str]) -> None:
        """Everything is read all the same."""


class MemoryHost:
    """Implements `Host`: every line ends well."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def connect(self) -> None:
        """There is nothing to connect to."""

    def expect(self, lines: int) -> None:
        """Nothing has to start."""

    async def run(
        self,
        line: str,
        *,
        environment: Mapping[str, str],
        timeout: float,
        output: Callable[[str], None] | None = None,
        note: Note | None = None,
    ) -> Completed:
        return Completed(0)

    async def send(self, line: str, content: AsyncIterator[bytes], **_: Any) -> Completed:
        return Completed(0)


class MemoryHttp:
    """Implements `HttpClient`: every page is right."""

    async def request(self, method: str, url: str, *, timeout: float) -> Answer:
        return Answer(200, "")


def site_in_memory(inventory: Inventory, backends: int) -> Site:
    """The site of an inventory whose load balancer is `lb1`."""
    return Site(
        inventory=inventory,
        hosts={name: MemoryHost(name) for name in inventory.nodes},
        load_balancers={"lb1": MemoryBalancer(inventory, backends)},
        balancer_hosts={},
        http_clients={name: MemoryHttp() for name in inventory.nodes},
        sources=LocalSources(),
        here=MemoryHost("here"),
        public=MemoryHttp(),
        identity="shop",
        sender="alice on laptop",
    )
