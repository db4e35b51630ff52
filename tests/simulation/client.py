"""One `rollout` process: its way through every port. It can be killed at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from rollout.domain import Answer, Completed, Note
from rollout.errors import (
    AnswerLost,
    CommandTimedOut,
    HostUnreachable,
    NobodyListens,
    RequestFailed,
    Superseded,
)
from tests.simulation.faults import KILLS, Faults, Port
from tests.simulation.loop import world_time
from tests.simulation.machine import Machine, NotBegun
from tests.simulation.node import SimNode
from tests.simulation.sleeping import Sleeper, SleepyLoop

LATEST = 1.0
"""Seconds until what was sent on a connection that broke is carried out at the latest."""


_SOON = 0.001
"""Seconds until it is tried again to fall asleep."""


class Killed(BaseException):
    """What is left of a killed process runs into it: nothing that it does has an effect any more."""


class Client(Sleeper):
    """Crosses ports until it is killed. `by_hand` says that it belongs to no deployment, and `home` is the
    machine on which it runs."""

    def __init__(self, faults: Faults, rng: random.Random, *, by_hand: bool = False, home: str = "") -> None:
        super().__init__()
        self.by_hand = by_hand
        self.home = home
        self.events = 0
        """How many events it has put into the journal."""
        self._sending = 0
        """How many commands it has sent that have not arrived."""
        self._faults = faults
        self._killing = asyncio.get_running_loop().create_future()
        self._hanging: list[asyncio.Future[None]] = []
        self.rng = rng
        self._arrives = 0.0
        """When what was sent to load balancers has arrived."""

    async def killed(self) -> None:
        """Returns once it has been killed."""
        await asyncio.shield(self._killing)

    @property
    def is_killed(self) -> bool:
        return self._killing.done()

    def kill(self) -> None:
        if not self._killing.done():
            self._killing.set_result(None)

    def sleep(self, seconds: float) -> None:
        """It sleeps for so long, as soon as what it has sent has arrived: no sleep calls that back."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SleepyLoop)
        if self._sending:
            loop.call_later(_SOON, self.sleep, seconds)
        elif not self.asleep:
            loop.fall_asleep(self, seconds)

    @contextlib.contextmanager
    def sending(self, *, changing: bool) -> Iterator[None]:
        """It sends what may change something, which arrives before this ends."""
        self._sending += changing
        try:
            yield
        finally:
            self._sending -= changing

    def require_alive(self) -> None:
        """Raises Killed."""
        if self.is_killed:
            raise Killed

    async def cross(self, port: Port, target: str) -> str:
        """Before a port is crossed. Gives the fault of this crossing; who is killed never gets through."""
        await self.crossed("")
        fault = self._faults.crossing(port, target)
        await self.crossed("killed after" if fault == "killed" else "")
        return fault

    async def crossed(self, fault: str) -> None:
        """After a crossing had its effect. Hangs for ever in a killed process."""
        if fault == KILLS[1]:
            self.kill()
        if self.is_killed:
            for_ever = asyncio.get_running_loop().create_future()
            self._hanging.append(for_ever)  # else it would be collected, with all that waits for it
            await for_ever

    def sends(self, delay: float) -> None:
        """Note that something arrives after so many seconds."""
        self._arrives = max(self._arrives, world_time() + delay)

    async def arrived(self) -> None:
        """Returns once all that was sent has arrived. So it has before the next process is connected, which
        takes several round trips."""
        await asyncio.sleep(self._arrives - world_time())

    def delay(self, usual: float) -> float:
        """Seconds; now and then something takes long."""
        luck = self.rng.random()
        return usual * (0.5 + luck) if luck < 0.97 else usual * 5


class SimHost:
    """Implements `Host`. `told` is told of each line that changes something, before it is sent."""

    def __init__(
        self,
        node: SimNode,
        machine: Machine,
        client: Client,
        latency: float,
        told: Callable[[SimNode, str, Client], None],
    ) -> None:
        self.name = node.name
        self._node = node
        self._told = told
        self._machine = machine
        self._client = client
        self._latency = latency

    async def connect(self) -> None:
        if await self._client.cross(Port.CONNECT, self.name) == "refused":
            raise HostUnreachable(self.name, "connection refused")

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
        client, loop = self._client, asyncio.get_running_loop()
        if line in self._machine.changes:
            self._told(self._node, line, client)
        fault = await client.cross(Port.RUN, self.name)
        if fault == "refused":
            raise HostUnreachable(self.name, "connection refused")
        asked = world_time()
        with client.sending(changing=line in self._machine.changes):
            await asyncio.sleep(client.delay(self._latency))
        if fault == "connection cut before":
            raise AnswerLost(self.name, "the connection broke")
        if fault == "connection cut, done later":
            late = client.rng.uniform(0.1, LATEST) if line in self._machine.slow else 0.0
            loop.call_later(late, self._start_unheard, line, environment, note, timeout, asked)
            raise AnswerLost(self.name, "the connection broke")
        if fault == "command fails" and line not in self._machine.questions:
            return Completed(1, ("no", "such", "thing"))
        # What runs on a node goes on there, whatever becomes of who asked for it.
        try:
            running = self._machine.start(line, environment, note, timeout, asked, hangs=fault == "stuck")
        except NotBegun as error:
            raise Superseded(self.name, error.by) from None
        if fault == "stuck":
            await asyncio.sleep(timeout)
            running.cancel()
            raise CommandTimedOut(self.name, f"did not end within {timeout:g} s")
        if fault == "killed after":
            await asyncio.sleep(client.rng.uniform(0.0, 0.2))
        await client.crossed(fault)
        completed = await asyncio.shield(running)
        if fault == "stuck, but done":
            await asyncio.sleep(timeout)
            raise CommandTimedOut(self.name, f"did not end within {timeout:g} s")
        if fault == "answer lost":
            raise AnswerLost(self.name, "the connection broke")
        await asyncio.sleep(client.delay(self._latency))
        await client.crossed("")
        if output is not None:
            for text in completed.tail:
                output(text)
        return Completed(1, ("failed",)) if fault == "command fails, but done" else completed

    def _start_unheard(self, *command: Any) -> None:
        """Begin a command whose connection broke on its way: if it may not begin, nobody is told."""
        with contextlib.suppress(NotBegun):
            self._machine.start(*command)


class SimProbe:
    """Implements `HttpClient`. `nodes` are those that it may ask, by address."""

    def __init__(self, nodes: Mapping[str, SimNode], client: Client, latency: float) -> None:
        self._nodes = nodes
        self._client = client
        self._latency = latency

    async def request(self, method: str, url: str, *, timeout: float) -> Answer:
        client = self._client
        node = self._nodes[urlsplit(url).hostname or ""]
        fault = await client.cross(Port.PROBE, node.name)
        if fault == "refused":
            raise NobodyListens("connection refused")
        if fault == "stuck":
            await asyncio.sleep(timeout)
            raise RequestFailed(f"no answer within {timeout:g} s")
        await asyncio.sleep(client.delay(self._latency))
        seconds, answer = node.answer()
        if answer is None:
            raise NobodyListens("connection refused")
        await asyncio.sleep(min(seconds, timeout))
        if seconds >= timeout:
            raise RequestFailed(f"no answer within {timeout:g} s")
        await client.crossed(fault)
        await asyncio.sleep(client.delay(self._latency))
        await client.crossed("")
        return Answer(500, "oops") if fault == "wrong status" else answer
