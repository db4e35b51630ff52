"""HTTP to a node behind a jump host, over the SSH connection, since the network may let nothing else through.

As with `ssh -L`, a local socket stands for the far end; it is a UNIX socket in a folder of our own, so no
other user can reach it. The node itself connects to the URL's address.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import tempfile
from pathlib import Path

import httpx
from paramiko import Channel, ChannelException, SSHException

from rollout.adapters.http import HttpxClient
from rollout.adapters.shell import CHUNK
from rollout.adapters.ssh.link import Link
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.adapters.ssh.threads import Threads
from rollout.adapters.ssh.transport import CONNECT_FAILED
from rollout.domain import Answer, SshTarget
from rollout.errors import NobodyListens, RequestFailed
from rollout.ports import HttpClient

_PORTS = {"http": 80, "https": 443}


class NodeHttpClient:
    """Implements `HttpClient` for one node: over its SSH connection if that has a jump host."""

    def __init__(
        self, target: SshTarget, link: Link, threads: Threads, direct: HttpClient, ca: Path | None
    ) -> None:
        """`direct` is used where there is no jump host; `ca` is that of `HttpxClient`."""
        self._ca = ca
        self._target = target
        self._link = link
        self._threads = threads
        self._direct = direct
        self._tunnelled: bool | None = None

    async def request(self, method: str, url: str, *, timeout: float) -> Answer:
        try:
            if self._tunnelled is None:
                self._tunnelled = (await self._link.settings()).jump is not None
            if not self._tunnelled:
                return await self._direct.request(method, url, timeout=timeout)
            async with asyncio.timeout(timeout):
                return await self._over_ssh(method, url, timeout)
        except NoConnection as failure:
            error = failure.of(self._target.host)
            raise RequestFailed(str(error), hint=error.hint) from failure
        except TimeoutError:
            raise RequestFailed(f"no answer within {timeout:g} s") from None

    async def _over_ssh(self, method: str, url: str, timeout: float) -> Answer:
        parts = httpx.URL(url)
        channel = await self._open(parts.host, parts.port or _PORTS[parts.scheme])
        with tempfile.TemporaryDirectory(prefix="rollout-") as folder:
            path = Path(folder) / "node"
            server = await asyncio.start_unix_server(functools.partial(self._join, channel), path)
            client = HttpxClient(path, ca=self._ca)
            try:
                return await client.request(method, url, timeout=timeout)
            finally:
                server.close()
                self._threads.start(channel.close)
                await client.aclose()

    async def _open(self, host: str, port: int) -> Channel:
        try:
            return await self._link.tunnel(host, port)
        except ChannelException as error:
            if error.code == CONNECT_FAILED:
                raise NobodyListens(f"connection refused, as seen from the node: {error.text}") from error
            hint = "see AllowTcpForwarding and PermitOpen in its sshd_config"
            raise RequestFailed(
                f"the node's sshd does not allow forwarding: {error.text}", hint=hint
            ) from error
        except SSHException as error:
            raise RequestFailed(f"the SSH connection broke: {error}") from error

    async def _join(
        self, channel: Channel, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry bytes both ways until the far end has closed."""

        async def send() -> None:
            while data := await reader.read(CHUNK):
                await self._threads.run(functools.partial(channel.sendall, data))

        sending = asyncio.create_task(send())
        with contextlib.suppress(OSError, EOFError, SSHException):
            while data := await self._threads.run(functools.partial(channel.recv, CHUNK)):
                writer.write(data)
                await writer.drain()
        sending.cancel()
        writer.close()
