"""Clients of a simulated load balancer: they come at random, some pinned by a cookie, some slow."""

from __future__ import annotations

import asyncio
import random
from typing import Protocol

from tests.simulation.haproxy import SimHAProxy
from tests.simulation.node import Request
from tests.simulation.process import SimServer

_PINNED = 0.6
"""The share of requests to a backend with a cookie that bring one."""
_BROWSERS = 4
"""Clients with a cookie, in each backend."""
_SLOW = 0.12
_PATIENT = 0.004
"""The shares of requests that take long, and that take longer than a drain may."""

_SESSIONLESS = 0.3
"""The share of requests without a session, on a load balancer that has any."""


class Watch(Protocol):
    """What is told of traffic."""

    def lost(self, server: SimServer, why: str) -> None: ...
    def unserved(self, balancer: SimHAProxy, backend: str) -> None: ...


class Traffic:
    """Through one load balancer. `rate` is in requests per second; `longest` is what slow ones may take."""

    def __init__(
        self,
        balancer: SimHAProxy,
        watch: Watch,
        rng: random.Random,
        rate: float,
        longest: float,
        *,
        patient: bool,
        sessionless: random.Random | None,
    ) -> None:
        """`sessionless` says which requests HAProxy shows as a connection in use alone; `None` for no one."""
        self._balancer = balancer
        self._watch = watch
        self._rng = rng
        self._rate = rate
        self._longest = longest
        self._patient = _PATIENT if patient else 0.0
        self._sessionless = sessionless
        self._pinned: dict[tuple[str, int], str] = {}
        self._stopped = False
        self.requests = 0
        self._next()

    def stop(self) -> None:
        """Nobody comes any more."""
        self._stopped = True

    def _next(self) -> None:
        asyncio.get_running_loop().call_later(self._rng.expovariate(self._rate), self._arrive)

    def _arrive(self) -> None:
        if self._stopped:
            return
        self._next()
        if not self._balancer.serving:
            return
        rng = self._rng
        backends = self._balancer.process.backends_served
        backend = backends[int(rng.random() * len(backends))]
        browser = (backend.name, int(rng.random() * _BROWSERS))
        pinned = backend.cookie and rng.random() < _PINNED
        process = self._balancer.process
        server = process.pick(backend.name, self._pinned.get(browser) if pinned else None, rng)
        self.requests += 1
        if server is None:
            self._watch.unserved(self._balancer, backend.name)
            return
        if pinned:
            self._pinned[browser] = server.config.name
        if server.node.serving:
            has_session = self._sessionless is None or self._sessionless.random() > _SESSIONLESS
            Request(server, self._seconds(), has_session=has_session)
        else:
            self._watch.lost(server, "a request came to it")

    def _seconds(self) -> float:
        luck = self._rng.random()
        if luck < self._patient:
            return self._longest * 10
        if luck < self._patient + _SLOW:
            return self._rng.uniform(0.1, self._longest)
        return self._rng.uniform(0.002, 0.04)
