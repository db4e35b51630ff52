"""People who use the lab's service: who gets no answer from one load balancer asks the other."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence

from tests.support.load import Answered, Load

_PATIENCE = 3.0
"""Seconds after which a user turns to the other load balancer."""


class Users(Load):
    """Steady requests to each of `addresses` in turn."""

    def __init__(
        self, addresses: Sequence[tuple[str, int]], target: str = "/", *, rate: float = 40.0
    ) -> None:
        super().__init__(*addresses[0], target, rate=rate)
        self._addresses = addresses
        self._turn = itertools.cycle(range(len(addresses)))

    async def _get(self) -> None:
        first = next(self._turn)
        begin = time.monotonic()
        wrong = []
        for address in (*self._addresses[first:], *self._addresses[:first]):
            try:
                async with asyncio.timeout(_PATIENCE):
                    status, body = await self._ask(address)
            except (OSError, EOFError, ValueError, IndexError) as error:
                wrong.append(f"{address[1]}: {type(error).__name__}")
                continue
            if status == 200:
                now = time.monotonic()
                self.answers.append(Answered(now, now - begin, status, body))
                return
            wrong.append(f"{address[1]}: status {status}")
        self.lost.append(", ".join(wrong))
