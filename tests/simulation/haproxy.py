"""A simulated HAProxy: asked by text through the adapter's own `Transport`, reloaded, paused and killed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from rollout.adapters.haproxy.transport import TIMEOUT
from rollout.errors import LoadBalancerUnreachable
from tests.simulation.commands import CommandLine
from tests.simulation.faults import Port
from tests.simulation.loop import world_time
from tests.simulation.process import BackendConfig, SimProcess, SimServer

if TYPE_CHECKING:
    from tests.simulation.client import Client

_HANDOVER = 0.05
"""Seconds after a reload in which a connection may fail or still reach the old process."""


class Watch(Protocol):
    """What is told of a load balancer."""

    def asked(self, balancer: SimHAProxy, line: str, client: Client) -> None: ...
    def has_run(self, balancer: SimHAProxy) -> None: ...
    def server_changed(self, balancer: SimHAProxy, server: SimServer, cause: str) -> None: ...
    def twin_changed(self, balancer: SimHAProxy, twin: SimServer) -> None: ...
    def sessions_ended(self, balancer: SimHAProxy, server: SimServer, sessions: int) -> None: ...
    def marked_down(self, balancer: SimHAProxy, server: SimServer, sessions: int) -> None: ...


class SimHAProxy:
    """`cause` is who changes it at the moment: `engine`, `operator`, `reload`, or its own `check`."""

    def __init__(
        self, name: str, backends: Sequence[BackendConfig], watch: Watch, rng: random.Random, latency: float
    ) -> None:
        self.name = name
        self.backends = tuple(backends)
        self.watch = watch
        self.rng = rng
        self.latency = latency
        self.there = True
        """Its socket can be reached."""
        self.serving = True
        self.dead = False
        self.cause = "check"
        self.asked_at = 0.0
        """When what it runs, or ran last, was asked for."""
        self.answers_since = 0.0
        """When it last began to answer."""
        self._pid = 1000
        self._resumed: asyncio.Event | None = None
        self._queue: list[tuple[str, float, asyncio.Future[str]]] = []
        self._changed: dict[SimServer, None] = {}
        self._old: SimProcess | None = None
        self._handover = 0.0
        self.process = self._new_process()

    def execute(self, line: str, cause: str, asked: float, *, stopping: bool = False) -> str:
        """Run a line at once, by whom it may be. Nothing else happens between its commands."""
        process = self._old if stopping and self._old is not None else self.process
        self.asked_at = asked
        before, self.cause = self.cause, cause
        reply = CommandLine(process, stopping=stopping, closing=self._ended).answer(line)
        self._tell()
        self.cause = before
        if cause == "engine" and changes(line):
            self.watch.has_run(self)
        return reply

    async def asked(self, line: str) -> str:
        """A connection with a line. Raises LoadBalancerUnreachable."""
        now = world_time()
        if not self.there:
            raise self.unreachable("nothing listens")
        if self._resumed is not None:
            waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self._queue.append((line, now, waiting))
            try:
                async with asyncio.timeout(TIMEOUT):
                    return await waiting
            except TimeoutError:
                raise self.unreachable("did not answer in time") from None
        if now < self._handover:
            luck = self.rng.random()
            if luck < 0.3:
                raise self.unreachable("nothing listens")
            if luck < 0.6:
                return self.execute(line, "engine", now, stopping=True)
        return self.execute(line, "engine", now)

    @property
    def answers(self) -> bool:
        """Whether the engine can see it now."""
        return self.there and self._resumed is None

    def unreachable(self, why: str) -> LoadBalancerUnreachable:
        return LoadBalancerUnreachable(self.name, why)

    def add_backend(self) -> None:
        """Its configuration has one more backend from now on, with the servers of its first."""
        if self.backends[-1].name != "late":
            first = self.backends[0]
            self.backends += (replace(first, name="late", cookie=False, shutdown_on_down=False),)

    def reload(self, *, keep_state: bool) -> None:
        """A new process; what runs goes on in the old one. What was set by the socket is lost, or kept."""
        old = self.process
        old.retire()
        self._old = old
        self._handover = world_time() + _HANDOVER
        self.process = self._new_process()
        if keep_state:
            for path, server in self.process.servers.items():
                before = old.servers.get(path, server)
                server.admin, server.state, server.weight = before.admin, before.state, before.weight
                server.checking.health = before.checking.health
                server.stale = True
        for server in self.process.servers.values():
            self.watch.server_changed(self, server, "reload")

    def restart(self, seconds: float) -> None:
        """It stops, and all sessions with it; a new process after so long."""
        self._stop()

        def start() -> None:
            self.there = self.serving = True
            self.answers_since = world_time()
            self.process = self._new_process()
            for server in self.process.servers.values():
                self.watch.server_changed(self, server, "reload")

        asyncio.get_running_loop().call_later(seconds, start)

    def die(self) -> None:
        """For good."""
        self._stop()
        self.dead = True

    def leave(self, seconds: float) -> None:
        """Its socket cannot be reached for so long; it serves on."""

        def back() -> None:
            self.there = not self.dead
            self.answers_since = world_time()

        self.there = False
        asyncio.get_running_loop().call_later(seconds, back)

    def pause(self, seconds: float) -> None:
        """It answers nobody for so long, then all that waited, in order, also those who gave up."""
        self._resumed = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._resumed = None
        self.answers_since = world_time()
        waiting, self._queue = self._queue, []
        for line, asked, future in waiting:
            reply = self.execute(line, "engine", asked)
            if not future.done():
                future.set_result(reply)

    def _stop(self) -> None:
        self.there = self.serving = False
        self.process.retire()
        for server in self.process.servers.values():
            server.cut()

    def _new_process(self) -> SimProcess:
        self._pid += 1
        return SimProcess(self._pid, self.backends, self._server_changed, self._cut_by_marking)

    def _server_changed(self, server: SimServer) -> None:
        if server.process is not self.process:
            return
        if server.path in self.process.added:
            self.watch.twin_changed(self, server)
            return
        if self.cause == "check":
            self.watch.server_changed(self, server, self.cause)
        else:
            self._changed[server] = None

    def _tell(self) -> None:
        changed, self._changed = self._changed, {}
        for server in changed:
            self.watch.server_changed(self, server, self.cause)

    def _ended(self, server: SimServer, sessions: int) -> None:
        self.watch.sessions_ended(self, server, sessions)

    def _cut_by_marking(self, server: SimServer) -> None:
        self.watch.marked_down(self, server, server.cut())


def changes(line: str) -> bool:
    """Whether a line does more than look."""
    return any(word in line for word in ("set server", "add server", "shutdown sessions"))


class SimTransport:
    """Implements the adapter's `Transport` for one `rollout` process."""

    def __init__(self, balancer: SimHAProxy, client: Client) -> None:
        self._balancer = balancer
        self._client = client

    def renew(self) -> None:
        """Each question has a connection of its own."""

    async def ask(self, request: bytes) -> bytes:
        balancer, client = self._balancer, self._client
        line = request.decode()
        changing = changes(line)
        fault = await client.cross(Port.SEND if changing else Port.READ, balancer.name)
        if changing:
            balancer.watch.asked(balancer, line, client)
        if fault == "refused":
            raise balancer.unreachable("connection refused")
        if fault == "stuck":
            await asyncio.sleep(TIMEOUT)
            raise balancer.unreachable("did not answer in time")
        with client.sending(changing=changing):
            delay = client.delay(balancer.latency)
            client.sends(delay)
            await asyncio.sleep(delay)
            reply = await balancer.asked(line)
        await client.crossed(fault)
        await asyncio.sleep(client.delay(balancer.latency))
        await client.crossed("")
        if fault == "answer lost":
            raise balancer.unreachable("the connection broke")
        if fault == "answer torn":
            reply = reply[: int(client.rng.random() * len(reply))]
        return reply.encode()
