"""The wiring: adapters behind the engine's ports, as the inventory asks for them."""

from __future__ import annotations

import functools
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rollout.adapters.haproxy import HAProxy
from rollout.adapters.haproxy.transport import SshTransport, TcpTransport, Transport, UnixTransport
from rollout.adapters.local import LocalHost
from rollout.adapters.sources import LocalSources
from rollout.cli.meeting import Meeting, find_meeting
from rollout.cli.notify import Outbox
from rollout.cli.process import user
from rollout.cli.redaction import Redaction
from rollout.domain import Answer, RuntimeSocket, SshSocket, TcpSocket, UnixSocket
from rollout.engine.site import Site
from rollout.inventory import Inventory
from rollout.masks import MASK
from rollout.ports import Host, HttpClient

if TYPE_CHECKING:
    from rollout.adapters.http import HttpxClient
    from rollout.adapters.ssh import SshPool


@dataclass(frozen=True, slots=True)
class OpenSite(Site):
    """A site, with what verbs need but the engine does not."""

    outbox: Outbox
    meeting: Callable[[], Awaitable[Meeting]]
    """Where the deployers of the service meet. Raises HostError, JournalError."""


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
            identity=wiring.identity(),
            sender=f"{user()} on {socket.gethostname()}",
            outbox=wiring.outbox,
            meeting=wiring.meeting,
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
        self._meeting: Meeting | None = None

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

    async def meeting(self) -> Meeting:
        """Where the deployers of the service meet, found once.

        It has connections and threads of its own: signs of life must go out however many commands run, and
        whatever `MaxSessions` allows.
        """
        if self._meeting is None:
            self._meeting = await find_meeting(self._inventory, self._service, self._pool)
        return self._meeting

    @property
    def _service(self) -> str:
        """The service's name, as others may see it: without any value of a variable."""
        name = Redaction(self._inventory.variables.values()).name(self._inventory.service)
        return name.removeprefix(MASK)

    def identity(self) -> str:
        """The service's name and a digest of its first socket: two HAProxys on one machine may each serve a
        service with the same name. Whoever shares the lock finds the same notes on the nodes."""
        sockets = self._sockets.values()
        paths = [address.path for address in sockets if isinstance(address, SshSocket)]
        first = next(iter((*paths, *map(str, sockets))), "")
        return f"{self._service}-{hashlib.sha256(first.encode()).hexdigest()[:8]}"

    @functools.cached_property
    def _sockets(self) -> dict[str, RuntimeSocket]:
        return {name: self._inventory.runtime_socket(name) for name in self._inventory.load_balancers}

    async def aclose(self) -> None:
        await self.outbox.aclose()
        await self.direct.aclose()
        if self._meeting is not None:
            await self._meeting.place.aclose()
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
