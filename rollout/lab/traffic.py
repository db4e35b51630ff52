"""Traffic: steady requests through the load balancers, some of them slow."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from rollout.errors import RolloutError
from rollout.lab.client import Client
from rollout.lab.result import Result

_SLOW_EVERY = 19  # about 5 %, and never in step with the number of load balancers
_SLOW_SECONDS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_API_EVERY = 3
"""One request in so many goes to the backend `api`."""
_TIMEOUT = 10.0
"""Seconds."""
_FLOWING = 50
"""Answers after which traffic counts as flowing."""


class Traffic:
    """Traffic of `rate` requests a second to `urls` in turn, during its `async with` block.

    The pace follows the clock and no answer is waited for, as with real users: a slow service gets no fewer
    requests, and latency counts from the moment at which a request was due.
    """

    def __init__(self, urls: Sequence[str], rate: float = 300.0) -> None:
        self.result = Result()
        self._urls = urls
        self._rate = rate
        self._flows = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        parts = [urlsplit(url) for url in self._urls]
        self._clients = [Client(part.hostname or "", part.port or 80) for part in parts]
        self._pace = asyncio.create_task(self._send_steadily())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pace.cancel()
        await asyncio.wait({self._pace, *self._running})
        for client in self._clients:
            client.close()

    async def flowing(self) -> None:
        """Wait until answers come. Raises RolloutError if none come."""
        try:
            await asyncio.wait_for(self._flows.wait(), _TIMEOUT)
        except TimeoutError:
            raise RolloutError(f"{', '.join(self._urls)} do not answer: {self.result}") from None

    async def _send_steadily(self) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for number in itertools.count():
            due = begin + number / self._rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            task = asyncio.create_task(self._send(number, due))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _send(self, number: int, due: float) -> None:
        result = self.result
        result.sent += 1
        seconds = _SLOW_SECONDS[number % len(_SLOW_SECONDS)] if number % _SLOW_EVERY == 0 else 0.0
        prefix = "/api" if number % _API_EVERY == 0 else ""
        target = f"{prefix}/slow?seconds={seconds}" if seconds else f"{prefix}/"
        try:
            async with asyncio.timeout(_TIMEOUT):
                status, body = await self._clients[number % len(self._clients)].get(target)
        except (OSError, EOFError, ValueError) as error:
            result.losses[type(error).__name__] += 1
            return
        match (status, *body.split()):
            case (200, "shop", str(release), str(node)):
                result.answers[release, node] += 1
                result.latencies.append(asyncio.get_running_loop().time() - due - seconds)
                if len(result.latencies) == _FLOWING:
                    self._flows.set()
            case _:
                result.losses[f"status {status}"] += 1
