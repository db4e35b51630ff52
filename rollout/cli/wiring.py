"""The wiring: adapters behind the engine's ports, as the inventory asks for them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rollout.adapters.haproxy import HAProxy
from rollout.adapters.haproxy.transport import SshTransport, TcpTransport, Transport, UnixTransport
from rollout.adapters.journal import journal_path
from rollout.adapters.local import LocalHost
from rollout.adapters.lock import FolderLock
from rollout.adapters.sources import LocalSources
from rollout.cli.notify import Outbox
from rollout.cli.redaction import Redaction
from rollout.domain import Answer, RuntimeSocket, SshSocket, TcpSocket, UnixSocket
from rollout.engine.site import Site
from rollout.inventory import Inventory
from rollout.masks import MASK
from rollout.ports import Host, HttpClient, Lock

if TYPE_CHECKING:
    from rollout.adapters.http import HttpxClient
    from rollout.adapters.ssh import SshPool


@dataclass(frozen=True, slots=True)
class OpenSite(Site):
    """A site, with the lock and the outbox, which verbs need but the engine does not."""

    lock: Lock
    outbox: Outbox


@asynccontextmanager
async def open_site(inventory: Inventory) -> AsyncIterator[OpenSite]:
    """The site of an inventory. Connections are opened when they are first used, and closed at the end."""
    wiring = _Wiring(inventory)
    try:
        yield OpenSite(
            inventory=inventory,
            hosts={name: wiring.node_host(name) for name in inventory.nodes},
            http_clients={name: wiring.http_client(name) for name in inventory.nodes},
            sources=LocalSources(),
            here=LocalHost("this machine"),
            public=wiring.direct,
            lock=wiring.lock(),
            outbox=wiring.outbox,
            load_balancers={name: wiring.load_balancer(name) for name in inventory.load_balancers},
            balancer_hosts={
                name: host
                for name in inventory.load_balancers
                if (host := wiring.balancer_host(name)) is not None
            },
        )
    finally:
        await wiring.aclose()


class _Wiring:
    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self.direct = _LateHttpClient()
        self._to_nodes = _LateHttpClient(inventory.health_ca)
        self.outbox = Outbox()
        self._pools: list[SshPool] = []

    @functools.cached_property
    def _ssh(self) -> SshPool:
        return self._pool()

    def _pool(self) -> SshPool:
        # Imported only where a host is reached over SSH: fabric takes a tenth of a second.
        from rollout.adapters.ssh import SshPool

        pool = SshPool()
        self._pools.append(pool)
        return pool

    def node_host(self, name: str) -> Host:
        target = self._inventory.ssh_target(name)
        return LocalHost(name) if target is None else self._ssh.host(name, target)

    def http_client(self, name: str) -> HttpClient:
        target = self._inventory.ssh_target(name)
        if target is None:
            return self._to_nodes
        return self._ssh.http_client(target, self._to_nodes, self._inventory.health_ca)

    def load_balancer(self, name: str) -> HAProxy:
        master = self._inventory.master_socket(name)
        return HAProxy(
            name,
            self._transport(name, self._inventory.runtime_socket(name)),
            None if master is None else self._transport(name, master),
        )

    def _transport(self, name: str, address: RuntimeSocket) -> Transport:
        match address:
            case SshSocket(target=target, path=path):
                return SshTransport(name, self._ssh.host(name, target), path)
            case TcpSocket():
                return TcpTransport(name, address)
            case UnixSocket():
                return UnixTransport(name, address)

    def balancer_host(self, name: str) -> Host | None:
        """The machine of a load balancer; `None` where only its socket can be reached."""
        match self._inventory.runtime_socket(name):
            case SshSocket(target=target):
                return self._ssh.host(name, target)
            case TcpSocket():
                return None
            case _:
                return LocalHost(name)

    def lock(self) -> FolderLock:
        """The service's lock: on the first load balancer reached by SSH, where all deployers meet; otherwise
        beside the journal. It has a connection and threads of its own there: its signs of life must go out
        however many commands run, and whatever `MaxSessions` allows.

        A digest of the first socket is part of its name: two HAProxys on one machine may each serve a service
        with the same name.
        """
        sockets = {name: self._inventory.runtime_socket(name) for name in self._inventory.load_balancers}
        by_ssh = {name: socket for name, socket in sockets.items() if isinstance(socket, SshSocket)}
        for balancer, socket in by_ssh.items():
            path = f"/tmp/{self._lock_name(socket.path)}"  # noqa: S108 - any user can make a folder there
            return FolderLock(self._pool().host(balancer, socket.target), path)
        first = str(next(iter(sockets.values()), ""))
        return FolderLock(LocalHost("this machine"), str(journal_path().parent / self._lock_name(first)))

    def _lock_name(self, socket: str) -> str:
        """The lock's name. It shows in process lists, so it has no value of a variable in it."""
        service = Redaction(self._inventory.variables.values()).name(self._inventory.service)
        where = hashlib.sha256(socket.encode()).hexdigest()[:8]
        return f"rollout-{service.removeprefix(MASK)}-{where}.lock"

    async def aclose(self) -> None:
        await self.outbox.aclose()
        await self.direct.aclose()
        await self._to_nodes.aclose()
        for pool in self._pools:
            await pool.aclose()


class _LateHttpClient:
    """An HTTP client that imports its library with the first request: `--help`, for one, sends none."""

    def __init__(self, ca: Path | None = None) -> None:
        """`ca` is that of `HttpxClient`."""
        self._ca = ca
        self._opened: HttpxClient | None = None

    async def request(self, method: str, url: str, *, timeout: float) -> Answer:
        if self._opened is None:
            from rollout.adapters.http import HttpxClient

            self._opened = HttpxClient(ca=self._ca)
        return await self._opened.request(method, url, timeout=timeout)

    async def aclose(self) -> None:
        if self._opened is not None:
            await self._opened.aclose()
