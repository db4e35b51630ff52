"""People who use the testbed's service: who gets no answer from one load balancer asks the other."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence

from tests.support.load import Answered, Load

_PATIENCE = 8.0
"""Seconds after which a user turns to the other load balancer."""


class Users(Load):
    """Steady requests to each of `addresses` in turn.

    Whoever gets an answer asks no further: it is lost if its status is not 200. `turned` has each time that
    an address did not answer, and why; what none of them answers is lost.
    """

    def __init__(
        self, addresses: Sequence[tuple[str, int]], target: str = "/", *, rate: float = 40.0
    ) -> None:
        super().__init__(*addresses[0], target, rate=rate)
        self._addresses = addresses
        self._turn = itertools.cycle(range(len(addresses)))
        self.turned: list[str] = []

    async def _get(self) -> None:
        first = next(self._turn)
        begin = time.monotonic()
        for host, port in (*self._addresses[first:], *self._addresses[:first]):
            try:
                async with asyncio.timeout(_PATIENCE):
                    status, body = await self._ask((host, port))
            except (OSError, EOFError, ValueError, IndexError) as error:
                self.turned.append(f"{host}:{port}: {type(error).__name__}")
                continue
            now = time.monotonic()
            self.answers.append(Answered(now, now - begin, status, body))
            if status != 200:
                self.lost.append(f"{host}:{port}: status {status}")
            return
        self.lost.append("no answer")
