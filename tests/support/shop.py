"""Applications behind real load balancers, and the rotation of one node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

from rollout.adapters.haproxy import HAProxy
from rollout.adapters.local import LocalHost
from rollout.domain import CheckResult, Server, ServerState, Step
from rollout.engine.claim import Claim
from rollout.engine.context import NodeContext
from rollout.engine.loaded_configuration import LoadedConfiguration
from rollout.engine.log import StepLog
from rollout.engine.permission import Permission
from rollout.engine.rotation.by_socket import SocketRotation
from rollout.engine.rotation.check_times import CheckTimes
from rollout.engine.rotation.ledger import Ledger
from rollout.engine.rotation.node_servers import NodeServers
from rollout.engine.rotation.old_processes import OldProcesses
from rollout.engine.rotation.pinned_clients import PinnedClients
from rollout.engine.rotation.state_file import StateFile
from rollout.engine.rotation.twins import TwinPaths
from rollout.events import Event
from rollout.inventory.model import Inventory
from rollout.ports import HttpClient
from tests.support.balancer import Backends, Balancer, balancer
from tests.support.until import until_seen
from tests.support.web import WebApp, web_app

E = TypeVar("E", bound=Event)

CHECKED = (
    "option httpchk GET /_check",
    "default-server check inter 50ms rise 1 fall 2",
    "server web1 {web1}",
    "server web2 {web2}",
)
"""A backend of two nodes; an application's name in braces stands for its address."""


@dataclass
class Shop:
    apps: Mapping[str, WebApp]
    balancers: Sequence[Balancer]
    haproxies: Mapping[str, HAProxy]
    events: list[Event] = field(default_factory=list)

    @cached_property
    def configurations(self) -> dict[str, LoadedConfiguration]:
        return {name: LoadedConfiguration(LocalHost(name)) for name in self.haproxies}

    @cached_property
    def state_files(self) -> dict[str, StateFile]:
        return {
            name: StateFile(haproxy, LocalHost(name), self.configurations[name])
            for name, haproxy in self.haproxies.items()
        }

    def servers(self, node: str) -> dict[str, tuple[Server, ...]]:
        """Every server that a node is, by load balancer: those that have its name."""
        return {
            lb.name: tuple(
                Server(lb.name, backend, node)
                for backend, lines in lb.backends.items()
                if any(line.startswith(f"server {node} ") for line in lines)
            )
            for lb in self.balancers
        }

    def rotation(
        self,
        node: str = "web1",
        *,
        rejoin_timeout: float = 5.0,
        patience: float = 10.0,
        apart: bool = False,
        **drain: Any,
    ) -> SocketRotation:
        """A node's rotation by the runtime socket. `drain` is as in the inventory.

        `apart` means that the load balancers' machines cannot be asked; the node itself, this machine, can.
        """
        written = {
            "service": "shop",
            "load_balancers": {lb.name: {"haproxy": str(lb.socket())} for lb in self.balancers},
            "nodes": {name: {"host": app.host, "ssh": "local"} for name, app in self.apps.items()},
            "drain": {"timeout": "5s", **drain},
            "restart": {"command": "restart"},
        }
        inventory = Inventory.model_validate(written)
        context = NodeContext(
            node,
            inventory,
            None,
            LocalHost(node),
            cast(HttpClient, None),
            {},
            LocalHost("here"),
            cast(HttpClient, None),
            Claim(LocalHost(node), f"shop/{node}", "alice on laptop"),
        )
        machines = {} if apart else {lb.name: LocalHost(lb.name) for lb in self.balancers}
        unread = LoadedConfiguration(None)
        configurations = dict.fromkeys(self.haproxies, unread) if apart else self.configurations
        node_servers = [
            NodeServers(
                self.haproxies[name],
                own,
                StateFile(self.haproxies[name], None, unread) if apart else self.state_files[name],
                PinnedClients(configurations[name], inventory.drain.pinned),
                Ledger({}, taken_up=False),
                patience,
                Permission(),
            )
            for name, own in self.servers(node).items()
        ]
        old_processes = OldProcesses(context, machines)
        check_times = CheckTimes(rejoin_timeout, configurations)
        paths = {name: TwinPaths(configuration) for name, configuration in configurations.items()}
        return SocketRotation(node_servers, old_processes, inventory.drain, check_times, None, paths)

    def log(self, step: Step = Step.DRAIN, node: str = "web1") -> StepLog:
        return StepLog(self.events.append, node, step)

    def told(self, kind: type[E]) -> list[E]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def states(self, node: str = "web1") -> dict[str, ServerState]:
        """A node's servers as they are shown now, by `lb1 shop`."""
        return {
            f"{state.server.load_balancer} {state.server.backend}": state
            for haproxy in self.haproxies.values()
            for state in (await haproxy.read()).servers
            if state.server.name == node
        }

    async def statuses(self, node: str = "web1") -> set[str]:
        return {state.status for state in (await self.states(node)).values()}


@asynccontextmanager
async def shop(
    binary: Path,
    backends: Backends | None = None,
    *,
    balancers: int = 1,
    nodes: int = 2,
    **more: Any,
) -> AsyncIterator[Shop]:
    """Nodes `web1`, `web2`, … behind `lb1`, `lb2`, …, all checks passed once. `more` is for `Balancer`."""
    async with AsyncExitStack() as stack:
        names = [f"web{number}" for number in range(1, nodes + 1)]
        apps = {name: await stack.enter_async_context(web_app(name)) for name in names}
        addresses = {name: app.address for name, app in apps.items()}
        filled = {
            name: [line.format(**addresses) for line in lines]
            for name, lines in (backends or {"shop": CHECKED}).items()
        }
        running = [
            await stack.enter_async_context(balancer(binary, filled, name=f"lb{number}", **more))
            for number in range(1, balancers + 1)
        ]
        made = Shop(apps, running, {lb.name: lb.haproxy() for lb in running})

        async def checked() -> bool:
            readings = [await haproxy.read() for haproxy in made.haproxies.values()]
            states = [state for reading in readings for state in reading.servers if state.checked]
            return all(state.check_result is CheckResult.PASSED for state in states)

        await until_seen(checked, "the first checks")
        yield made
