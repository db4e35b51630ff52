"""Users whose requests fail and take long for reasons of their own, as a load balancer counts them."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from rollout.domain import Counters, Reading, Server, ServerState
from tests.support.states import reading, state

_WINDOW = 512


@dataclass
class NoisyServer:
    """`errors` are those of its release, from 0 to 1; `slower` is how many times slower it is."""

    shown: ServerState
    capacity: float
    errors: float = 0.0
    slower: float = 1.0
    up: bool = True
    burst: float = 0.0
    """Seconds for which one of its own bursts of errors still lasts."""
    counters: Counters = field(default_factory=Counters)
    mean: float = 0.0


class NoisyTraffic:
    """Implements as much of `LoadBalancer` as a watch needs.

    Errors come by themselves, in bursts on one server, and in bursts on all of them; some answers take very
    long, and machines differ.
    """

    name = "lb1"

    def __init__(self, nodes: Sequence[str], rng: random.Random) -> None:
        self._rng = rng
        self.servers = {
            name: NoisyServer(state(f"shop/{name}"), capacity=rng.uniform(0.7, 1.4)) for name in nodes
        }
        self._rate = rng.uniform(20, 400)
        """Requests a second."""
        self._usual = rng.choice((0.0, 0.0, 0.001, 0.01, 0.03))
        self._milliseconds = rng.choice((6.0, 20.0, 150.0))
        self._everywhere = 0.0
        self._told = 0.0
        self._pass(600.0)

    def recent(self, since: float = 0.0, of: Collection[Server] | None = None) -> None:
        """No reading is used twice."""

    async def look(self, servers: Collection[Server], *, now: bool = False) -> Reading:
        return await self.read()

    async def states(self) -> Reading:
        return await self.read()

    async def read(self) -> Reading:
        now = asyncio.get_running_loop().time()
        self._pass(now - self._told)
        self._told = now
        return reading(
            *(replace(s.shown, counters=s.counters, mean=round(s.mean)) for s in self.servers.values())
        )

    def placement(self) -> dict[str, tuple[Server, ...]]:
        return {name: (server.shown.server,) for name, server in self.servers.items()}

    def _pass(self, seconds: float) -> None:
        while seconds > 0:
            step = min(1.0, seconds)
            self._second(step)
            seconds -= step

    def _second(self, seconds: float) -> None:
        rng = self._rng
        up = [server for server in self.servers.values() if server.up]
        self._everywhere = (
            self._everywhere - seconds if rng.random() > 0.005 * seconds else rng.uniform(0.5, 2)
        )
        everywhere = rng.uniform(0.02, 0.1) if self._everywhere > 0 else 0.0
        busy = rng.lognormvariate(0, 0.4)
        for server in up:
            server.burst -= seconds
            if rng.random() < 0.005 * seconds:
                server.burst = rng.uniform(0.3, 2)
            share = self._usual + server.errors + everywhere + (0.2 if server.burst > 0 else 0.0)
            self._answer(server, _around(rng, self._rate * busy * seconds / len(up)), share)

    def _answer(self, server: NoisyServer, asked: int, share: float) -> None:
        """A second's requests at once: what they take is drawn for all of them together."""
        if not asked:
            return
        rng = self._rng
        usual = self._milliseconds * server.slower / server.capacity
        took = usual * max(0.3, 1 + rng.gauss(0, 1) / math.sqrt(asked))
        took += sum(rng.choice((300, 1000)) for _ in range(_some(rng, asked * 0.001))) / asked
        left = math.exp(-asked / _WINDOW)
        server.mean = server.mean * left + took * (1 - left) if server.mean else took
        failed = min(asked, _some(rng, asked * share))
        server.counters += Counters(requests=asked, errors=failed)


def _around(rng: random.Random, mean: float) -> int:
    """As many as come by chance, where `mean` do so usually."""
    return max(0, round(rng.gauss(mean, math.sqrt(mean))))


def _some(rng: random.Random, mean: float) -> int:
    """The same for a few: a Poisson distribution."""
    if mean > 30:
        return _around(rng, mean)
    number, chance, limit = -1, 1.0, math.exp(-mean)
    while chance > limit or number < 0:
        chance *= rng.random()
        number += 1
    return number
