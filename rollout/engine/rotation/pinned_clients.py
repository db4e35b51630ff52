"""Clients that are pinned to the servers of one load balancer: whether maintenance may move them at once.

HAProxy's configuration says so, where it can be read; else `drain.pinned` of the inventory does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rollout.domain import Reading, Server
from rollout.engine.configuration import Unreadable
from rollout.engine.loaded_configuration import LoadedConfiguration
from rollout.errors import HostError
from rollout.haproxy_config.configuration import Line, read
from rollout.haproxy_config.pinning import Pinning, Pinnings

Policy = Literal["move", "wait"] | None
"""`drain.pinned` of the inventory."""


class PinnedClients:
    """The clients that are pinned to servers of one load balancer, as its running process knows them."""

    def __init__(self, configuration: LoadedConfiguration, policy: Policy) -> None:
        self._configuration = configuration
        self._policy = policy
        self._process = (0, 0)
        self._places: tuple[str, ...] = ()
        self._pinnings = Pinnings(())

    async def look(self, reading: Reading) -> None:
        """Read the configuration of the process that gave `reading`, unless that was done before. One that
        cannot be read, or that was changed since, is not known."""
        if self._process == reading.process:
            return
        self._places, self._pinnings = (), Pinnings(())
        try:
            configuration = await self._configuration.read(reading)
        except (HostError, Unreadable):
            pass
        else:
            if not configuration.changed:
                self._places = configuration.places
                self._pinnings = Pinnings(read(configuration.text))
        self._process = reading.process

    def is_moved(self, server: Server) -> bool:
        """Whether the server is set to maintenance right after its drain, which moves pinned clients."""
        pinning = self._of(server)
        if pinning is None:
            return self._policy == "move"
        return pinning.moves and self._policy != "wait"

    def is_cut(self, server: Server) -> bool:
        """Whether maintenance is known to end the requests that run on the server."""
        pinning = self._of(server)
        return pinning is not None and pinning.cut is not None

    def may_be_cut(self, server: Server) -> bool:
        """Whether maintenance may end the requests that run on the server, for all that is known."""
        return self.is_cut(server) or (self._of(server) is None and self._policy != "move")

    def why_waited_for(self, servers: Iterable[Server]) -> str:
        """What to change so that pinned clients of these servers are moved; empty if there is nothing."""
        for server in servers:
            pinning = self._of(server)
            if pinning is None and self._policy is None:
                return _UNKNOWN
            if pinning is not None and pinning.pin is not None:
                if pinning.cut is not None:
                    return _CUT.format(self._shown(pinning.pin), self._shown(pinning.cut))
                if self._policy == "wait":
                    return _WAITED_FOR.format(self._shown(pinning.pin))
        return ""

    def _of(self, server: Server) -> Pinning | None:
        return self._pinnings.of(server.backend, server.name)

    def _shown(self, line: Line) -> str:
        return self._places[line.number - 1]


_UNKNOWN = (
    "if clients are pinned to its servers, and none has `on-marked-down shutdown-sessions`, set "
    "`drain.pinned: move`"
)
_CUT = (
    "clients are pinned ({}), and `on-marked-down shutdown-sessions` ({}) keeps rollout from moving them: "
    "remove it, at least for HTTP"
)
_WAITED_FOR = "clients are pinned ({}), and `drain.pinned: wait` waits until they pause"
