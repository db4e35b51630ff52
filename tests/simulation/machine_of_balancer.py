"""The machine of a simulated load balancer: all that can be done there is to read HAProxy's configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

from rollout.domain import Completed, Note
from rollout.errors import HostUnreachable
from rollout.remote import haproxy_files
from tests.simulation.checking import Check
from tests.simulation.client import Client
from tests.simulation.faults import Port
from tests.simulation.haproxy import SimHAProxy
from tests.simulation.node import PORT
from tests.simulation.process import BackendConfig, ServerConfig

_UNKNOWN = 2
"""Exit status of a question that finds no answer."""


class SimBalancerHost:
    """Implements `Host`."""

    def __init__(self, balancer: SimHAProxy, client: Client) -> None:
        self.name = balancer.name
        self._balancer = balancer
        self._client = client

    async def connect(self) -> None:
        """It can always be reached, unless a line is sent."""

    def expect(self, lines: int) -> None:
        """Nothing has to be made ready here."""

    async def run(
        self,
        line: str,
        *,
        environment: Mapping[str, str],
        timeout: float,
        output: Callable[[str], None] | None = None,
        note: Note | None = None,
    ) -> Completed:
        client, balancer = self._client, self._balancer
        if await client.cross(Port.CONNECT, self.name) == "refused":
            raise HostUnreachable(self.name, "connection refused")
        await asyncio.sleep(client.delay(2 * balancer.latency))
        await client.crossed("")
        process = balancer.process
        if line != haproxy_files.contents(process.pid, int(process.born)) or output is None:
            return Completed(_UNKNOWN, ())
        output(f"={int(process.born) - 100} /etc/haproxy/haproxy.cfg")
        for text in _configuration(process.backends_served):
            output(f" {text}")
        return Completed(0, ())


def _configuration(backends: tuple[BackendConfig, ...]) -> Iterator[str]:
    for backend in backends:
        yield f"backend {backend.name}"
        yield "  option httpchk"
        yield "  timeout check 1s"
        if backend.static:
            yield "  balance static-rr"
        if backend.cookie:
            yield "  cookie at insert"
        if backend.disable_on_404:
            yield "  http-check disable-on-404"
        for server in backend.servers:
            yield f"  server {server.name} {server.node.address}:{PORT} {' '.join(_words(backend, server))}"


def _words(backend: BackendConfig, server: ServerConfig) -> Iterator[str]:
    yield f"weight {server.weight}"
    if backend.cookie:
        yield f"cookie {server.name}"
    if backend.shutdown_on_down:
        yield "on-marked-down shutdown-sessions"
    if server.backup:
        yield "backup"
    if server.slowstart:
        yield f"slowstart {_milliseconds(server.slowstart)}"
    if server.track:
        yield f"track {server.track}"
    if server.check is not None:
        yield from _check(server.check)


def _check(check: Check) -> Iterator[str]:
    yield f"check inter {_milliseconds(check.inter)} rise {check.rise} fall {check.fall}"
    if check.fastinter:
        yield f"fastinter {_milliseconds(check.fastinter)}"
    if check.downinter:
        yield f"downinter {_milliseconds(check.downinter)}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"
