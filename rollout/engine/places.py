"""The places of a service's nodes on its load balancers, which may be reloaded in mid-deployment."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

from rollout.decisions.alike import first_of
from rollout.decisions.capacity import with_trackers
from rollout.decisions.placement import NOWHERE, Placement, place
from rollout.decisions.plan import Plan
from rollout.domain import Reading, Server, ServerBefore
from rollout.engine.log import Recorder
from rollout.engine.waiting import look_patiently, read_patiently, read_states_patiently
from rollout.errors import Refused, SiteChanged
from rollout.events import ServerNoted, Warned
from rollout.inventory.model import Inventory
from rollout.ports import LoadBalancer

_GO_ON = "correct the inventory or HAProxy's configuration (see `rollout check`), then run `rollout resume`"

Rows = Mapping[Server, tuple[str, int, str]]
"""The address, port and host name of each server of a load balancer."""


class Places:
    """The servers that each node of a deployment is, as the load balancers showed them last.

    Where a reading shows that servers came, went or moved, the nodes are placed again.
    """

    def __init__(self, inventory: Inventory, plan: Plan, record: Recorder) -> None:
        self._inventory = inventory
        self._plan = plan
        self._record = record
        self.placement: dict[str, tuple[Server, ...]] = dict(plan.placement)
        """The servers of each node. It is the same object all the time, and follows what is seen."""
        self.before: dict[Server, ServerBefore] = dict(plan.before)
        """How each server was before anything was touched, or was first seen; the same object, too."""
        self._homes = {server: known.address for server, known in plan.before.items() if known.address}
        """The address at which each server was first seen."""
        self._moved: dict[Server, tuple[str, str]] = {}
        """The servers that are at another machine's address now: the node of each, and a sentence."""
        self._readings: dict[str, Reading] = {}
        """The last reading of everything, by load balancer."""
        self._rows: dict[str, Rows] = {}
        self._last: dict[str, Reading] = {}
        """The last reading that showed nothing new."""
        self._problems: dict[str, str] = {}
        """Why nodes cannot be placed on a load balancer as it is now."""
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def require_placed(self, node: str) -> None:
        """Raises SiteChanged if nodes cannot be placed on the load balancers as they are now."""
        for balancer, problem in self._problems.items():
            raise SiteChanged(
                f"{balancer} was changed, so nodes cannot be told apart: {problem}", hint=_GO_ON
            )
        self.require_there(node)

    def require_there(self, node: str) -> None:
        """Raises SiteChanged if a server of a node moved to another machine, or if the node has none left."""
        for whose, problem in self._moved.values():
            if whose == node:
                raise SiteChanged(problem, hint=_GO_ON)
        if self._plan.placement[node] and not self.placement[node]:
            raise SiteChanged(f"no load balancer has a server of {node} any more", hint=_GO_ON)

    async def follow(self, balancer: LoadBalancer, reading: Reading, patience: float) -> Reading:
        """Look again if `reading` shows that servers came, went or moved. Returns a reading of all servers of
        the nodes: this one, or a newer one. Raises LoadBalancerUnreachable after `patience` seconds."""
        if reading is self._last.get(balancer.name):
            return reading
        if self._is_news(reading):
            return await self.look(balancer, patience)
        self._last[balancer.name] = reading
        return reading

    async def look(self, balancer: LoadBalancer, patience: float) -> Reading:
        """Read everything that a load balancer has, and place the nodes again if that is not as before.

        Raises LoadBalancerUnreachable after `patience` seconds.
        """
        return await self._place_by(balancer, read_patiently, patience)

    async def look_at_states(self, balancer: LoadBalancer, patience: float) -> Reading:
        """Read the states of all servers, as `LoadBalancer.states` says, and place the nodes by them."""
        return await self._place_by(balancer, read_states_patiently, patience)

    async def _place_by(
        self,
        balancer: LoadBalancer,
        read: Callable[[LoadBalancer, float], Awaitable[Reading]],
        patience: float,
    ) -> Reading:
        async with self._locks[balancer.name]:
            balancer.focus(())
            try:
                reading = balancer.recent()
                if reading is None or not reading.of_everything:
                    reading = await read(balancer, patience)
                self._readings[balancer.name] = self._last[balancer.name] = reading
                rows = _rows(reading)
                if rows != self._rows.get(balancer.name):
                    self._rows[balancer.name] = rows
                    self._place(reading, rows)
            finally:
                self._focus(balancer)
            return reading

    def _is_news(self, reading: Reading) -> bool:
        """Whether a reading, perhaps of some servers or backends alone, shows others than the last one of
        everything."""
        known = self._readings.get(reading.load_balancer)
        if known is None or known.process != reading.process:
            return True
        shown, rows = _rows(reading), self._rows[reading.load_balancer]
        if reading.only is not None:
            return shown != {server: rows[server] for server in reading.only if server in rows}
        backends = {server.backend for server in shown}
        return shown != {server: row for server, row in rows.items() if server.backend in backends}

    def _focus(self, balancer: LoadBalancer) -> None:
        own = [s for servers in self.placement.values() for s in servers if s.load_balancer == balancer.name]
        reading = self._readings.get(balancer.name)
        states = () if reading is None else reading.servers
        balancer.focus({server.backend for server in with_trackers(own, states)})

    def _place(self, reading: Reading, rows: Rows) -> None:
        """Place the nodes again. Where that is impossible, each keeps those of its servers that are left."""
        balancer = reading.load_balancer
        placed: Placement = self.placement
        try:
            placed = place(self._inventory, [*self._readings.values()], self._plan.addresses)
        except Refused as error:
            self._problems[balancer] = "; ".join(str(error).splitlines())
        else:
            self._problems.pop(balancer, None)
        for node, known in self.placement.items():
            own = {s for s in placed[node] if s in rows and not self._has_moved(node, s, rows)}
            gone = {server for server in known if server.load_balancer == balancer} - own
            fresh = own.difference(known)
            new = [server for server in placed[node] if server in fresh]
            self.placement[node] = (*(server for server in known if server not in gone), *new)
            if node in self._plan.nodes:
                self._tell(node, reading, new, sorted(gone))

    def _has_moved(self, node: str, server: Server, rows: Rows) -> bool:
        """Whether a server is at an address that neither it nor its node had before: it is another machine's
        by now."""
        address, _, hostname = rows[server]
        home = self._homes.setdefault(server, address)
        at_home = {home, *self._plan.addresses.get(node, ())}
        named = hostname.lower().rstrip(".") == self._inventory.nodes[node].host.lower()
        if address in at_home or named or not NOWHERE.isdisjoint({address, home}):
            self._moved.pop(server, None)
            return False
        self._moved[server] = node, f"{server} was at {home}, and is at {address} now: is that {node}?"
        return True

    def _tell(self, node: str, reading: Reading, new: Sequence[Server], gone: Sequence[Server]) -> None:
        """Record what became of the servers of a node, and how the new ones were before they are touched."""
        balancer = reading.load_balancer
        for state in reading.of(new):
            if state.server in self.before:
                continue
            before = ServerBefore(state.admin, state.weight, agent=state.agent_checked, address=state.address)
            self.before[state.server] = before
            self._record(
                ServerNoted(
                    node,
                    balancer,
                    state.server.backend,
                    state.server.name,
                    int(before.admin),
                    before.weight,
                    state.status,
                    agent=before.agent,
                )
            )
        if new:
            paths = first_of([server.path for server in new])
            self._record(Warned(f"{balancer} has {paths} now: rolled with the node from here on", node))
        if gone:
            paths = first_of([server.path for server in gone])
            self._record(Warned(f"{balancer} no longer has {paths}, so nothing is sent there", node))


def _rows(reading: Reading) -> Rows:
    return {state.server: (state.address, state.port, state.hostname) for state in reading.servers}


class NodePlaces:
    """The places of one node."""

    def __init__(self, places: Places, node: str) -> None:
        self._places = places
        self._node = node

    def on(self, balancer: str) -> tuple[Server, ...]:
        """The servers of the node on one load balancer."""
        return tuple(s for s in self._places.placement[self._node] if s.load_balancer == balancer)

    def require_there(self) -> None:
        """Raises SiteChanged if a server of the node moved to another machine, or if it has none left."""
        self._places.require_there(self._node)

    async def look(self, balancer: LoadBalancer, patience: float) -> Reading:
        """A fresh reading of the node's servers on a load balancer, by which the node is placed.

        Raises LoadBalancerUnreachable after `patience` seconds.
        """
        reading = await look_patiently(balancer, self.on(balancer.name), patience)
        return await self.follow(balancer, reading, patience)

    async def follow(self, balancer: LoadBalancer, reading: Reading, patience: float) -> Reading:
        """Place the node by a reading, or by a newer one, as `Places.follow` says. What is returned shows all
        servers of the node."""
        reading = await self._places.follow(balancer, reading, patience)
        if reading.only is None or reading.only.issuperset(self.on(balancer.name)):
            return reading
        return await self._places.look(balancer, patience)  # meanwhile the node was given more servers
