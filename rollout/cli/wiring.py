"""Puts adapters behind the engine's ports, as the inventory says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rollout.adapters.haproxy import HAProxy
from rollout.adapters.haproxy.transport import SshTransport, TcpTransport, Transport, UnixTransport
from rollout.adapters.http import HttpProbe
from rollout.adapters.local import LocalHost
from rollout.adapters.ssh import SshPool
from rollout.domain import SshSocket, TcpSocket
from rollout.engine.site import Site
from rollout.inventory import Inventory
from rollout.ports import Host


@asynccontextmanager
async def open_site(inventory: Inventory) -> AsyncIterator[Site]:
    """Everything that the inventory names; connections are opened when used, and closed at the end."""
    pool = SshPool()
    probe = HttpProbe()
    balancers = {name: _balancer(inventory, name, pool) for name in inventory.load_balancers}
    try:
        yield Site(
            inventory=inventory,
            hosts={name: _node_host(inventory, name, pool) for name in inventory.nodes},
            load_balancers={name: balancer for name, (balancer, _) in balancers.items()},
            balancer_hosts={name: host for name, (_, host) in balancers.items() if host is not None},
            probe=probe,
        )
    finally:
        await probe.aclose()
        await pool.aclose()


def _node_host(inventory: Inventory, name: str, pool: SshPool) -> Host:
    target = inventory.ssh_target(name)
    return LocalHost(name) if target is None else pool.host(name, target)


def _balancer(inventory: Inventory, name: str, pool: SshPool) -> tuple[HAProxy, Host | None]:
    """A load balancer, and the machine that it runs on, where shell lines can be run there."""
    socket = inventory.runtime_socket(name)
    transport: Transport
    host: Host | None
    match socket:
        case SshSocket():
            ssh = pool.host(name, socket.target)
            transport, host = SshTransport(name, ssh, socket.path), ssh
        case TcpSocket():
            transport, host = TcpTransport(name, socket), None
        case _:
            transport, host = UnixTransport(name, socket), LocalHost(name)
    return HAProxy(name, transport), host
