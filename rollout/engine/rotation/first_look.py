"""The first look at servers after their drain. It is begun a moment after the command was sent, not after its
answer came: far away, that is a round trip sooner."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rollout.domain import AdminState, Reading, Server
from rollout.engine.rotation.node_servers import NodeServers
from rollout.errors import LoadBalancerError

_SETTLED = 0.005
"""Seconds from the command to the look. A thread of HAProxy's may have chosen a server for a request just
before the command, and not yet counted the request when HAProxy confirms the command."""


class FirstLook:
    """The first look, under way from now on."""

    def __init__(self, servers: NodeServers, drained: Sequence[Server]) -> None:
        self._servers = servers
        self._drained = drained
        self._begun = self._until = 0.0
        self._look = asyncio.create_task(self._take())

    async def reading(self) -> Reading | None:
        """What it saw of the node's servers; `None` if it came before the command, too long ago, or not at
        all."""
        seen = await self._look
        if seen is None or asyncio.get_running_loop().time() > self._until:
            return None
        if any(AdminState.FORCED_DRAIN not in state.admin for state in seen.of(self._drained)):
            return None
        return await self._servers.take(seen, self._begun)

    async def _take(self) -> Reading | None:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(_SETTLED)
        self._begun = clock()
        try:
            return await self._servers.look()
        except LoadBalancerError:
            return None
        finally:
            self._until = clock() + (clock() - self._begun)
