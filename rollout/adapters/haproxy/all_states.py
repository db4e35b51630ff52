"""The states of all servers, without their statistics: of what it costs HAProxy to show thousands of servers,
these are six sevenths. Statistics of a second ago are taken for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from rollout.adapters.haproxy.replies import Shown, Table
from rollout.domain import TWIN, Reading

_COUNTED = 1.5
"""Seconds for which statistics count: during a deployment, all are read once a second."""
_FEW = 100
"""Servers up to which their statistics cost no more than the exchange."""
_COMMANDS = ("show servers state", "show stat -1 2 -1")
"""The states of all servers, and the statistics of the backends themselves."""

Read = Callable[[Sequence[str], Sequence[Table]], Awaitable[Shown]]
"""Reads what commands show, beside statistics that were read before."""


class AllStates:
    """The states of all servers of one load balancer."""

    def __init__(self) -> None:
        self._counted: Shown | None = None
        self._until = 0.0

    def note(self, everything: Shown) -> None:
        """Note a reading of everything."""
        self._counted = everything
        self._until = asyncio.get_running_loop().time() + _COUNTED

    async def read(self, read: Read) -> Reading | None:
        """The states now; `None` where everything must be read: because it has not been for long, because it
        costs little, or because another process answers, or has other servers now."""
        before = self._counted
        if before is None or asyncio.get_running_loop().time() >= self._until:
            return None
        if len(before.reading.servers) <= _FEW:
            return None
        shown = await read(_COMMANDS, before.tables)
        reading = shown.reading
        named = sum(not name.startswith(TWIN) for _, name in shown.states.rows)
        counts = {len(before.reading.servers), len(reading.servers), named}
        if reading.process != before.reading.process or len(counts) > 1:
            return None
        return replace(reading, of_everything=True)
