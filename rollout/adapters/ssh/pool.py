"""All SSH connections of this process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType

from rollout.adapters.ssh.host import SshHost
from rollout.adapters.ssh.link import Link
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.adapters.ssh.threads import Threads
from rollout.adapters.ssh.tunnel import NodeHttpClient
from rollout.domain import SshTarget
from rollout.ports import HttpClient


class SshPool:
    """One connection for each distinct target; jump hosts are targets, too. It belongs to one event loop."""

    def __init__(self, connect_timeout: float = 10.0) -> None:
        """`connect_timeout` is in seconds, for each connection on the way, unless ssh_config has its own."""
        self.connect_timeout = connect_timeout
        self.threads = Threads()
        self._links: dict[SshTarget, Link] = {}

    def host(self, name: str, target: SshTarget) -> SshHost:
        """The host at `target`; errors call it `name`. Nothing is opened yet."""
        return SshHost(name, self.link(target), self.threads)

    def http_client(self, target: SshTarget, direct: HttpClient, ca: Path | None = None) -> NodeHttpClient:
        """An HTTP client for the host at `target`, which uses `direct` where there is no jump host.

        `ca` is a file of certificate authorities that are trusted, too.
        """
        return NodeHttpClient(target, self.link(target), self.threads, direct, ca)

    def link(self, target: SshTarget) -> Link:
        """The connection to `target`, which need not be open."""
        return self._links.setdefault(target, Link(target, self))

    async def address(self, target: SshTarget) -> tuple[str, int]:
        """The host name or address, and the port, to which `target` comes down. Raises HostError."""
        try:
            settings = await self.link(target).settings()
        except NoConnection as error:
            raise error.of(str(target)) from error
        return settings.host, settings.port

    async def aclose(self) -> None:
        """Close every connection. Commands that still run on them lose their answer."""
        links = list(self._links.values())
        self._links.clear()
        await asyncio.gather(*(link.close() for link in links))

    async def __aenter__(self) -> SshPool:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
