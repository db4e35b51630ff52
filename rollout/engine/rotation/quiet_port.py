"""The wait for a node where no load balancer can be asked: for a fixed time, then for its own connections."""

from __future__ import annotations

import asyncio

from rollout.deadline import Deadline, slept
from rollout.decisions.conversations import Connection, Conversations
from rollout.engine.context import NodeContext
from rollout.engine.log import StepLog
from rollout.engine.rotation.connections import connections, counted_connections
from rollout.errors import StepFailure

_LOOK_AGAIN = 0.25
"""Seconds between two looks at the node's connections."""


class QuietPort:
    """A port of a node on which no connection may carry a request any more. Methods raise StepFailure,
    HostError."""

    def __init__(self, context: NodeContext, port: int) -> None:
        self._context = context
        self._port = port
        self._conversations = Conversations()
        self._clock = asyncio.get_running_loop().time

    async def watch(self, seconds: float) -> None:
        """Look at the connections for so long: the pauses in them tell for how long one may be silent."""
        end = self._clock() + seconds
        while (left := end - self._clock()) > 0:
            await self._busy()
            await asyncio.sleep(min(_LOOK_AGAIN, left))

    async def wait(self, timeout: float, log: StepLog) -> None:
        """Wait until no connection may carry a request, for at most `timeout` seconds."""
        deadline = Deadline(timeout)
        while busy := await self._busy():
            told = f"{counted_connections(busy)} to port {self._port} may carry a request"
            log.progress(told, len(busy))
            if deadline.passed:
                raise StepFailure(
                    f"not drained within {timeout:g} s: {told}",
                    hint="`ss -tni` on the node shows them: a request runs where lastrcv is below lastsnd",
                    tail=[each.shown for each in busy],
                )
            await asyncio.sleep(_LOOK_AGAIN)
        log.progress(f"no connection to port {self._port} carries a request", 0)

    async def _busy(self) -> list[Connection]:
        return self._conversations.look(await connections(self._context, self._port), self._clock() + slept())
