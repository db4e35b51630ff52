"""Leaving and coming back by the health page that the load balancer checks.

The page answers 404 until the node may come back. Where load balancers are listed, HAProxy says when the
server has left and when its sessions are gone (reading is all that is asked of it); where none is, a time and
the node's own connections say it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from rollout.domain import OperationalState, Server, ServerState
from rollout.engine.context import NodeContext
from rollout.engine.health_page import verify
from rollout.engine.log import StepLog
from rollout.engine.rotation.clients import BusyClients, who
from rollout.engine.rotation.connections import connections
from rollout.engine.waiting import patiently, together
from rollout.errors import ChangedByOthers, StepFailure
from rollout.inventory.drain import HealthPage
from rollout.inventory.request import Request
from rollout.ports import LoadBalancer
from rollout.remote import drain_file

_COMMAND = 30.0
"""Seconds for creating a file, for one HTTP request, or for one look at the node."""
_LOOK_AGAIN = 0.25
"""Seconds between two looks at the node's connections."""
_REJOIN = 60.0
"""Seconds in which the load balancer must take the node back, where the inventory has no `health.timeout`."""


class PageRotation:
    """Implements `Rotation`."""

    def __init__(
        self,
        context: NodeContext,
        health_page: HealthPage,
        servers: Mapping[str, tuple[Server, ...]],
        load_balancers: Mapping[str, LoadBalancer],
    ) -> None:
        self._context = context
        self._page = health_page
        self._servers = {load_balancers[name]: own for name, own in servers.items()}
        self._timeout = context.inventory.drain.timeout
        self._patience = context.inventory.strategy.patience
        self._removed_by_others = False

    @property
    def given_up(self) -> bool:
        return self._removed_by_others

    async def leave(self, log: StepLog) -> None:
        if self._page.file is not None:
            await self._run(drain_file.create(self._context.fill(self._page.file)), log)
        elif self._page.request is not None:
            await self._request(self._page.request.down, log)

    async def drained(self, log: StepLog) -> None:
        clock = asyncio.get_running_loop().time
        if not self._servers:
            log.progress(f"the load balancer looks within {self._page.settle:g} s")
            await asyncio.sleep(self._page.settle)
        deadline = clock() + self._timeout
        await together(
            self._left(balancer, servers, deadline, log) for balancer, servers in self._servers.items()
        )
        if self._page.port is not None and not self._servers:
            await self._connections_gone(self._page.port, deadline, log)

    async def still_out(self, log: StepLog) -> None:
        for balancer, servers in self._servers.items():
            for state in (await patiently(balancer, self._patience)).of(servers):
                if not (_has_left(state) and state.idle):
                    raise StepFailure(f"{state.server} is back in rotation: it shows {state.status}")
        if self._page.file is not None:
            file = self._context.fill(self._page.file)
            seen = await self._context.look(drain_file.exists(file), timeout=_COMMAND)
            if seen.status == 1:
                self._removed_by_others = True
                raise ChangedByOthers(f"{file} was removed by someone else")
            if seen.status != 0:
                raise StepFailure(f"`{drain_file.exists(file)}` exited with {seen.status}", tail=seen.tail)

    async def guard(self, log: StepLog) -> None:
        """The page itself keeps the node out: nothing can be forgotten."""

    async def give_back(self, log: StepLog) -> None:
        if self._page.file is not None:
            await self._run(drain_file.remove(self._context.fill(self._page.file)), log)
        elif self._page.request is not None:
            await self._request(self._page.request.up, log)

    async def prove(self, log: StepLog) -> None:
        """Nothing can be: the load balancer's check of a page that answers 404 proves no health."""

    async def enter(self, log: StepLog) -> None:
        await self.give_back(log)
        health = self._context.inventory.health
        if health is not None:
            await verify(self._context, health, log)
        if not self._servers:
            log.progress(f"the load balancer looks within {self._page.settle:g} s")
            await asyncio.sleep(self._page.settle)
        deadline = asyncio.get_running_loop().time() + (health.timeout if health else _REJOIN)
        await together(
            self._back(balancer, servers, deadline, log) for balancer, servers in self._servers.items()
        )

    async def warm_up(self, log: StepLog) -> None:
        """The page cannot: the inventory's rules ask for the socket."""

    async def hold(self, log: StepLog) -> None:
        if not self._removed_by_others:
            await self.leave(log)

    async def _left(
        self, balancer: LoadBalancer, servers: tuple[Server, ...], deadline: float, log: StepLog
    ) -> None:
        """Wait until HAProxy shows that all `servers` have left and have nothing to do.

        It must show so twice: one of its threads may have chosen a server and not yet counted the session.
        """
        clock = asyncio.get_running_loop().time
        shown_gone = 0
        holders = BusyClients(balancer, deadline)
        while True:
            states = (await patiently(balancer, self._patience)).of(servers)
            there = [state for state in states if not _has_left(state)]
            busy = [state for state in states if not state.idle]
            shown_gone = 0 if there or busy or len(states) < len(servers) else shown_gone + 1
            if shown_gone == 2:
                log.sessions(balancer.name, 0)
                return
            if there:
                log.progress(f"{balancer.name} still sends to it", of=balancer.name)
            elif busy:
                load = sum(state.load for state in busy)
                log.sessions(balancer.name, load, await holders.told(busy))
            if clock() >= deadline and not shown_gone:
                shown = ", ".join(
                    f"{state.server} shows {state.status} with {state.load} sessions"
                    for state in states
                    if state in there or state in busy
                )
                whose = await who([state.server for state in busy], balancer)
                raise StepFailure(
                    f"not drained within {self._timeout:g} s: {shown}" + (f": {whose}" if whose else ""),
                    hint="does HAProxy check the page that was told to answer 404?" if there else None,
                )

    async def _back(
        self, balancer: LoadBalancer, servers: tuple[Server, ...], deadline: float, log: StepLog
    ) -> None:
        """Wait until HAProxy shows all `servers` up, but for those that somebody keeps in maintenance."""
        clock = asyncio.get_running_loop().time
        while True:
            states = (await patiently(balancer, self._patience)).of(servers)
            waiting = [state for state in states if not (state.running or state.admin.in_maintenance)]
            if len(states) == len(servers) and not waiting:
                return
            shown = ", ".join(f"{state.server} shows {state.status}" for state in waiting)
            log.progress(shown, of=balancer.name)
            if clock() >= deadline:
                raise StepFailure(f"not back in rotation: {shown}")

    async def _connections_gone(self, port: int, deadline: float, log: StepLog) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            left = await connections(self._context, port)
            log.progress(f"{len(left)} connections to port {port}", len(left))
            if not left:
                return
            if clock() >= deadline:
                raise StepFailure(
                    f"not drained within {self._timeout:g} s: {len(left)} connections to port {port}",
                    hint="`ss -tn` on the node says whose they are",
                    tail=left,
                )
            await asyncio.sleep(_LOOK_AGAIN)

    async def _run(self, line: str, log: StepLog) -> None:
        await self._context.run(line, timeout=_COMMAND, log=log)

    async def _request(self, request: Request, log: StepLog) -> None:
        await self._context.request(
            request.method, self._context.fill(request.url), timeout=_COMMAND, log=log
        )


def _has_left(state: ServerState) -> bool:
    """Its 404 page was seen (NOLB), or its check failed for good (DOWN); or an operator holds it."""
    out = state.admin.in_maintenance or state.admin.in_drain
    return out or state.operational in (OperationalState.STOPPING, OperationalState.STOPPED)
