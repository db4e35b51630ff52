"""What `test_contract.py` compares: a simulated HAProxy and a real one, of the same configuration."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from tests.simulation.checking import Check
from tests.simulation.haproxy import SimHAProxy
from tests.simulation.invariants import Invariants
from tests.simulation.node import PAGE, Release, SimNode
from tests.simulation.process import BackendConfig, ServerConfig
from tests.simulation.rules import Rules
from tests.support.balancer import Balancer, balancer
from tests.support.web import Page, WebApp, web_app


class Subject(Protocol):
    """An HAProxy with `shop` (rise 2, fall 3, `disable-on-404`), `api` (its `web1` tracks `shop/web1`) and
    `raw` (not checked, and `off` is disabled), on nodes `web1` and `web2`."""

    async def ask(self, command: str) -> str:
        """What it answers to a line."""
        ...

    async def reload(self) -> None: ...

    def page(self, status: int | None) -> None:
        """What `web1` answers to a check from now on; `None` for nothing, and for good."""
        ...


class _Node(SimNode):
    says: int | None = 200

    def checked(self) -> tuple[float, int | None]:
        return 0.0, self.says


class Simulated:
    def __init__(self, inter: float) -> None:
        one, two = _Node("web1", "10.0.0.1", "1", Release()), _Node("web2", "10.0.0.2", "1", Release())
        watch = Invariants({"web1": one, "web2": two}, Rules(window=2, closes=True, listed=True))
        one.watch = two.watch = watch
        check = Check(inter=inter, rise=2, fall=3)
        backends = (
            _backend(
                "shop", ServerConfig("web1", one, check=check), ServerConfig("web2", two, 7, check=check)
            ),
            _backend(
                "api", ServerConfig("web1", one, track="shop/web1"), ServerConfig("web2", two, backup=True)
            ),
            _backend(
                "raw",
                ServerConfig("web1", one, 4),
                ServerConfig("off", two, disabled=True),
                ServerConfig("web2", two),
            ),
        )
        self._node = one
        self._balancer = SimHAProxy("lb1", backends, watch, random.Random(1), 0.0)
        watch.balancers = {"lb1": self._balancer}

    async def ask(self, command: str) -> str:
        return self._balancer.execute(f"{command}\n", "operator", 0.0)

    async def reload(self) -> None:
        self._balancer.reload(keep_state=False)

    def page(self, status: int | None) -> None:
        self._node.says = status
        self._node.page_changed()


def _backend(name: str, *servers: ServerConfig) -> BackendConfig:
    return BackendConfig(name, servers, disable_on_404=True)


class Real:
    def __init__(self, running: Balancer, app: WebApp) -> None:
        self._balancer = running
        self._app = app

    async def ask(self, command: str) -> str:
        return await self._balancer.ask(command)

    async def reload(self) -> None:
        await self._balancer.reload()

    def page(self, status: int | None) -> None:
        if status is None:
            self._app.stop()
        else:
            self._app.pages[PAGE] = Page(status)


@asynccontextmanager
async def real(binary: Path, inter: float) -> AsyncIterator[Subject]:
    check = f"check inter {int(inter * 1000)}ms rise 2 fall 3"
    checks = (f"option httpchk GET {PAGE}", "http-check disable-on-404")
    async with web_app("web1") as one, web_app("web2") as two:
        backends = {
            "shop": (
                *checks,
                f"server web1 {one.address} {check}",
                f"server web2 {two.address} weight 7 {check}",
            ),
            "api": (
                checks[1],
                f"server web1 {one.address} track shop/web1",
                f"server web2 {two.address} backup",
            ),
            "raw": (
                f"server web1 {one.address} weight 4",
                f"server off {two.address} disabled",
                f"server web2 {two.address}",
            ),
        }
        async with balancer(binary, backends) as running:
            yield Real(running, one)
