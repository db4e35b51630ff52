"""A service with one leader: HAProxy finds its server up in the backend `primary`, and all others down."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from rollout.domain import Completed
from tests.support.rolling import Rolling, backend
from tests.support.shop import Shop
from tests.support.until import until_seen
from tests.support.web import Page

HAND_OVER = "hand over"
"""The line of a hook that moves the lead away from its node."""


def backends(nodes: int = 3, *, everyone: bool = True) -> dict[str, tuple[str, ...]]:
    """`primary`, whose check only the leader passes, after `shop`, which has all nodes, if `everyone` is."""
    servers = backend(nodes)["shop"][2:]
    check = ("option httpchk GET /primary", "default-server check inter 50ms rise 1 fall 1")
    return {**(backend(nodes) if everyone else {}), "primary": (*check, *servers)}


@dataclass
class Lead:
    """The lead of a shop. It moves to the next node when its node is restarted."""

    here: Shop
    leader: str = "web1"

    async def begin(self) -> None:
        """Have `leader` lead alone, and HAProxy see it."""
        self._show()
        await until_seen(self._is_shown, "one leader")

    def of(self, it: Rolling) -> None:
        """Have the restarts of the nodes, and their hooks, move the lead."""
        for name, host in it.hosts.items():

            async def restart(name: str = name) -> Completed:
                self.here.apps[name].stop()
                self.leave(name)
                await self.here.apps[name].start()
                return Completed(0)

            async def hand_over(name: str = name) -> Completed:
                if self.leader == name:
                    await self.hand_over()
                return Completed(0)

            host.actions |= {"restart": restart, HAND_OVER: hand_over}

    def leave(self, name: str) -> None:
        """Have another node lead, if `name` does."""
        if self.leader == name:
            self.leader = self._next()
        self._show()

    async def hand_over(self) -> None:
        """Move the lead by a switchover that loses nothing: the new leader is seen first."""
        leader = self._next()
        self.here.apps[leader].pages["/primary"] = Page()

        async def shown() -> bool:
            return (await self._up()).issuperset({leader})

        await until_seen(shown, "the new leader")
        self.leader = leader
        self._show()

    async def _is_shown(self) -> bool:
        return await self._up() == {self.leader}

    async def _up(self) -> set[str]:
        readings = await asyncio.gather(*(haproxy.read() for haproxy in self.here.haproxies.values()))
        return set.intersection(
            *(
                {s.server.name for s in one.servers if s.running and s.server.backend == "primary"}
                for one in readings
            )
        )

    def _next(self) -> str:
        names = list(self.here.apps)
        return names[(names.index(self.leader) + 1) % len(names)]

    def _show(self) -> None:
        for name, app in self.here.apps.items():
            app.pages["/primary"] = Page(200 if name == self.leader else 503)
