"""The engine's `Site` over a test's shop: real load balancers, real probes, hosts as the test wants them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from rollout.adapters.http import HttpxClient
from rollout.adapters.local import LocalHost
from rollout.adapters.sources import LocalSources
from rollout.domain import Completed, Note
from rollout.engine.rotation.by_page import PageRotation
from rollout.engine.site import Site
from rollout.inventory.model import Inventory
from rollout.ports import Host
from rollout.remote import notes
from tests.support.shop import Shop
from tests.support.web import WebApp

Action = Callable[[], Awaitable[Completed]]


class AppHost:
    """The machine of an application: `restart` restarts it, other lines do what a test gave, or end well.

    `ss` is this machine's.
    """

    def __init__(self, app: WebApp) -> None:
        self.name = app.name
        self.app = app
        self.lines: list[str] = []
        self.actions: dict[str, Action] = {"restart": self.restart}

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
        if line.startswith("ss "):
            local = LocalHost(self.name)
            return await local.run(line, environment=environment, timeout=timeout, output=output)
        if line == notes.LOOK:
            return Completed(0)
        self.lines.append(line)
        return await self.actions[line]() if line in self.actions else Completed(0)

    async def restart(self) -> Completed:
        self.app.stop()
        await self.app.start()
        return Completed(0)


def inventory(here: Shop, *, listed: bool = True, **sections: Any) -> Inventory:
    """An inventory of the shop, quick in everything; `sections` replace its own. Nothing bakes."""
    written = {
        "service": "shop",
        "load_balancers": {lb.name: {"haproxy": str(lb.socket())} for lb in here.balancers if listed},
        "nodes": {name: {"host": app.host, "ssh": "local"} for name, app in here.apps.items()},
        "drain": {"timeout": "5s"},
        "restart": {"command": "restart"},
        "health": {"http": "http://{host}:8000/_status", "interval": "10ms", "timeout": "5s"},
    }
    strategy = {"bake": 0, **sections.pop("strategy", {})}
    return Inventory.model_validate({**written, **sections, "strategy": strategy})


@asynccontextmanager
async def site(
    here: Shop, inventory: Inventory, hosts: Mapping[str, Host] | None = None
) -> AsyncIterator[Site]:
    """The site of an inventory. Without `hosts` every node is this machine."""
    probe = HttpxClient()
    try:
        yield Site(
            inventory=inventory,
            hosts=hosts or {name: LocalHost(name) for name in here.apps},
            load_balancers={name: here.haproxies[name] for name in inventory.load_balancers},
            balancer_hosts={name: LocalHost(name) for name in inventory.load_balancers},
            http_clients=dict.fromkeys(here.apps, probe),
            sources=LocalSources(),
            here=LocalHost("this machine"),
            public=probe,
            identity="shop",
            sender="alice on laptop",
        )
    finally:
        await probe.aclose()


def page_rotation(here: Shop, site: Site, node: str = "web1") -> PageRotation:
    """A node's rotation by its health page."""
    servers = [server for own in here.servers(node).values() for server in own]
    rotation = site.rotation(site.context(node, None), servers)
    assert isinstance(rotation, PageRotation)
    return rotation
