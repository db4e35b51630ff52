"""The place where the deployers of a service meet: the one that the inventory names, or the usual one.

Two inventories of one site must come to the same place. So nothing depends on the order or the spelling of an
inventory: among several load balancers or nodes, the one counts that comes first by what its address resolves
to.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import platform
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from rollout.adapters.journal import journal_path
from rollout.adapters.local import LocalHost
from rollout.adapters.places.folder import FolderPlace
from rollout.domain import EtcdAddress, FolderAddress, RuntimeSocket, SshSocket, SshTarget, TcpSocket
from rollout.engine.waiting import run_all
from rollout.inventory import Inventory
from rollout.ports import Host, Place

if TYPE_CHECKING:
    from rollout.adapters.ssh import SshPool

_HERE = "this machine"
_MACHINE_ID = Path("/etc/machine-id")


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where the deployers of a service meet."""

    place: Place
    copy: Path
    """The file of the journal on this machine: a copy of what lies at the place, or the journal itself."""
    shared: bool
    """Whether facts lie at the place, too; otherwise it has the lock alone."""

    @property
    def other_copies(self) -> list[Path]:
        """The copies of other places where this service's deployers met, used last first."""
        return self._copies(f"{escape(self.copy.stem.rpartition('-')[0])}-*")

    @property
    def namesakes(self) -> list[Path]:
        """The copies of services of this name that have other load balancers."""
        service, identity, _ = self.copy.stem.rsplit("-", 2)
        named = self._copies(f"{escape(service)}-????????-????????")
        return [path for path in named if path.stem.rsplit("-", 2)[1] != identity]

    def _copies(self, pattern: str) -> list[Path]:
        found = [path for path in self.copy.parent.glob(f"{pattern}.db") if path != self.copy]
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


async def find_meeting(inventory: Inventory, service: str, connect: Callable[[], SshPool]) -> Meeting:
    """Where the deployers of the inventory's service meet; `service` is its name without any secret in it.
    `connect` makes SSH connections that nothing else uses.

    Raises HostError, JournalError.
    """
    sockets = {name: inventory.runtime_socket(name) for name in inventory.load_balancers}
    pool = functools.cache(connect)
    by_ssh = [name for name in inventory.nodes if inventory.ssh_target(name) is not None]
    key = await _key(inventory, sockets.values(), pool)
    match inventory.place:
        case "local":
            return _of_login(service, key)
        case None if not (sockets or by_ssh):
            # Nothing but names tells such a service from others, and they may be anybody's.
            return _of_login(service, key)
        case FolderAddress(path=path, target=target):
            machine = LocalHost(_HERE) if target is None else pool().host(target.host, target)
            place = FolderPlace(machine, service, folder=path, socket=key)
            return Meeting(place, _copy(service, key, path, target), shared=True)
        case EtcdAddress() as address:
            from rollout.adapters.places.etcd import EtcdPlace

            copy = _copy(service, key, *address.members, address.prefix)
            return Meeting(EtcdPlace(address, f"{service}-{_digest(key)}"), copy, shared=True)
    host, path, where = await _usual(inventory, sockets, key, pool)
    here = isinstance(host, LocalHost)
    place = FolderPlace(host, service, socket=path, meeting="machine" if here else "login")
    return Meeting(place, _copy(service, key, where, path), shared=True)


def _of_login(service: str, key: str) -> Meeting:
    """The place that only this login uses, on this machine."""
    folder = journal_path().parent / "locks"
    place = FolderPlace(LocalHost(_HERE), service, folder=str(folder), socket=key)
    return Meeting(place, journal_path(), shared=False)


async def _usual(
    inventory: Inventory, sockets: dict[str, RuntimeSocket], key: str, pool: Callable[[], SshPool]
) -> tuple[Host, str, str]:
    """The machine of the usual place, the path by which a service there is told from others, and the
    machine's address."""
    by_ssh = {name: one for name, one in sockets.items() if isinstance(one, SshSocket)}
    if by_ssh:
        name = await _first({name: (one.target, one.path) for name, one in by_ssh.items()}, pool)
        chosen = by_ssh[name]
        return pool().host(name, chosen.target), chosen.path, str(chosen.target)
    unix = sorted(str(one) for one in sockets.values() if not isinstance(one, TcpSocket))
    if unix:
        return LocalHost(_HERE), unix[0].removeprefix("unix://"), _HERE
    nodes = {
        name: (target, "") for name in inventory.nodes if (target := inventory.ssh_target(name)) is not None
    }
    if nodes:
        name = await _first(nodes, pool)
        return pool().host(name, nodes[name][0]), key, str(nodes[name][0])
    return LocalHost(_HERE), key, _HERE


async def _first(candidates: dict[str, tuple[SshTarget, str]], pool: Callable[[], SshPool]) -> str:
    """The candidate whose resolved address, and then whose path, comes first."""
    if len(candidates) == 1:
        return next(iter(candidates))
    found = await run_all(_address(target, pool) for target, _ in candidates.values())
    ordered = sorted(
        (address, path, name) for address, (name, (_, path)) in zip(found, candidates.items(), strict=True)
    )
    return ordered[0][2]


async def _key(inventory: Inventory, sockets: Iterable[RuntimeSocket], pool: Callable[[], SshPool]) -> str:
    """What tells a service from another one with the same name: its load balancers, or else its nodes."""
    known = await run_all(_socket_key(one, pool) for one in sockets)
    return " ".join(sorted(known or (node.host for node in inventory.nodes.values())))


async def _socket_key(address: RuntimeSocket, pool: Callable[[], SshPool]) -> str:
    match address:
        case SshSocket(target=target, path=path):
            return f"{await _address(target, pool)}:{path}"
        case TcpSocket(host=host, port=port):
            return f"{await _resolved(host)}:{port}"
    return f"{_machine()}:{address.path}"


async def _address(target: SshTarget, pool: Callable[[], SshPool]) -> str:
    """The address and port to which a target comes down, as text that sorts."""
    host, port = await pool().address(target)
    return f"{await _resolved(host)}:{port}"


async def _resolved(host: str) -> str:
    """The first address of a host name; the name itself where only a jump host can resolve it."""
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return host
    return min((str(info[4][0]) for info in infos), default=host)


@functools.cache
def _machine() -> str:
    """This machine, by what survives a change of its name where it has that."""
    try:
        return _MACHINE_ID.read_text().strip() or platform.node()
    except OSError:
        return platform.node()


def _copy(service: str, key: str, *where: object) -> Path:
    """The file of the copy of what lies at a place. `key` tells the service from others of its name."""
    return journal_path().parent / f"{service}-{_digest(key)}-{_digest(*where)}.db"


def _digest(*texts: object) -> str:
    return hashlib.sha256("\0".join(map(str, texts)).encode()).hexdigest()[:8]
