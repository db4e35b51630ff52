"""Leaving and coming back by the health page that the load balancer checks.

The page answers 404 until the node may come back. If the inventory lists load balancers, HAProxy shows when
the server has left and when its sessions are gone (rollout only reads there). If it lists none, rollout waits
for a fixed time, and for the node's own connections to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from rollout.deadline import Deadline
from rollout.decisions.alike import first_of
from rollout.decisions.standing import in_rotation, may_be_down
from rollout.domain import OperationalState, Reading, Server, ServerState, Standing
from rollout.engine.context import NodeContext
from rollout.engine.health_page import prove_healthy
from rollout.engine.log import BeginStep, StepLog
from rollout.engine.places import NodePlaces
from rollout.engine.rotation.check_times import CheckTimes
from rollout.engine.rotation.clients import BusyClients, counted_sessions, name_clients
from rollout.engine.rotation.quiet_port import QuietPort
from rollout.engine.waiting import look_patiently, read_patiently, run_all, run_both
from rollout.errors import ChangedByOthers, StepFailure
from rollout.inventory.drain import HealthPage
from rollout.inventory.request import Request
from rollout.ports import LoadBalancer
from rollout.remote import drain_file

_COMMAND = 30.0
"""Seconds for creating the file, for one HTTP request, or for one look at the node."""


class PageRotation:
    """Implements `Rotation` by the health page that the load balancer checks.

    `servers` are the node's, by load balancer; none where the inventory lists no load balancer.
    """

    def __init__(
        self,
        context: NodeContext,
        health_page: HealthPage,
        servers: Mapping[LoadBalancer, tuple[Server, ...]],
        check_times: CheckTimes,
        standing: Mapping[Server, Standing],
        places: NodePlaces | None = None,
    ) -> None:
        """`places` are where the node is now; without them it stays where it was found to be."""
        self._standing = standing
        self._some_lead = Standing.ALONE in standing.values()
        """Whether others may have replaced one of the servers: then all of them are read."""
        self._context = context
        self._page = health_page
        self._servers = dict(servers)
        self._places = places
        self._check_times = check_times
        self._timeout = context.inventory.drain.timeout
        self._patience = context.inventory.strategy.patience
        self._removed_by_others = False

    @property
    def given_up(self) -> bool:
        return self._removed_by_others

    @property
    def forgotten_by(self) -> Mapping[str, str]:
        return {}  # the page goes on to answer 404

    async def leave(self, log: StepLog) -> None:
        if self._page.file is not None:
            await self._run(drain_file.create(self._context.fill(self._page.file)), log)
        elif self._page.request is not None:
            await self._request(self._page.request.down, log)

    async def drained(self, log: StepLog) -> None:
        if not self._servers and self._page.port is not None:
            port = QuietPort(self._context, self._page.port)
            await run_both(self._settle(log), port.watch(self._page.settle))
            await port.wait(self._timeout, log)
            return
        await self._settle(log)
        await run_all(self._wait_until_left(balancer, log) for balancer in self._servers)

    async def still_out(self, log: StepLog) -> None:
        for balancer in self._servers:
            for state in (await self._read(balancer)).of(self._servers[balancer]):
                if not (_has_left(state) and state.idle):
                    raise StepFailure(f"{state.server} is back in rotation: it shows {state.status}")
        if self._page.file is not None:
            file = self._context.fill(self._page.file)
            look = await self._context.look(drain_file.exists(file), timeout=_COMMAND)
            if look.status == 1:
                self._removed_by_others = True
                raise ChangedByOthers(f"{file} was removed by someone else")
            if look.status != 0:
                raise StepFailure(f"`{drain_file.exists(file)}` exited with {look.status}", tail=look.tail)

    async def guard(self, log: StepLog) -> None:
        """Do nothing: the page itself keeps the node out, whatever HAProxy forgets."""

    async def give_back(self, log: StepLog) -> None:
        if self._page.file is not None:
            await self._run(drain_file.remove(self._context.fill(self._page.file)), log)
        elif self._page.request is not None:
            await self._request(self._page.request.up, log)

    async def prove(self, log: StepLog) -> None:
        """Do nothing: the load balancer's check asks a page that still answers 404."""

    async def enter(self, log: StepLog) -> None:
        await self.give_back(log)
        health = self._context.inventory.health
        if health is not None:
            await prove_healthy(self._context, health, log)
        await self._settle(log)
        await run_all(self._wait_until_back(balancer, log) for balancer in self._servers)

    async def confirm(self, step: BeginStep) -> None:
        """Do nothing: the node came back by HAProxy's own checks."""

    async def warm_up(self, log: StepLog) -> None:
        """Do nothing: the inventory's rules allow a warm-up only by the socket."""

    async def stay_out(self, log: StepLog) -> None:
        if not self._removed_by_others:
            await self.leave(log)

    async def _settle(self, log: StepLog) -> None:
        """Where no load balancer is listed, wait for as long as any may take to notice the page."""
        if not self._servers:
            log.progress(f"waiting {self._page.settle:g} s for the load balancer to notice")
            await asyncio.sleep(self._page.settle)

    async def _read(self, balancer: LoadBalancer) -> Reading:
        """A fresh reading, by which these are the node's servers there. Raises SiteChanged where it moved."""
        if self._some_lead:
            reading = await read_patiently(balancer, self._patience)
        else:
            reading = await look_patiently(balancer, self._servers[balancer], self._patience)
        if self._places is None:
            return reading
        reading = await self._places.follow(balancer, reading, self._patience)
        self._places.require_there()
        own = reading.of(self._places.on(balancer.name))
        self._servers[balancer] = tuple(state.server for state in own)
        return reading

    async def _wait_until_left(self, balancer: LoadBalancer, log: StepLog) -> None:
        """Wait until HAProxy shows that all `servers` have left and are idle. Raises StepFailure.

        It must show so twice: one of its threads may have chosen a server and not yet counted the session.
        """
        shown_gone = 0
        noticing, deadline = Deadline(self._timeout), Deadline(self._timeout)
        clients = BusyClients(balancer, deadline)
        while True:
            reading = await self._read(balancer)
            servers = self._servers[balancer]
            states = reading.of(servers)
            not_left = [state for state in states if not _has_left(state)]
            busy = [state for state in states if not state.idle]
            shown_gone = 0 if not_left or busy or len(states) < len(servers) else shown_gone + 1
            if shown_gone == 2:
                log.sessions(balancer.name, 0)
                return
            if not_left:
                log.progress(f"{balancer.name} still sends it requests", of=balancer.name)
            elif busy:
                load = sum(state.load for state in busy)
                log.sessions(balancer.name, load, await clients.describe(busy))
            if not_left and noticing.passed:
                noticing.postpone(await self._check_times.down(reading, not_left))
            if not shown_gone and (noticing if not_left else deadline).passed:
                shown = first_of(
                    [
                        f"{state.server} shows {state.status} with {counted_sessions([state])}"
                        for state in states
                        if not _has_left(state) or not state.idle
                    ]
                )
                names = await name_clients([state.server for state in busy], balancer)
                raise StepFailure(
                    f"not drained within {self._timeout:g} s: {shown}" + (f": {names}" if names else ""),
                    hint="is the page that answers 404 the one that HAProxy checks?" if not_left else None,
                )

    async def _wait_until_back(self, balancer: LoadBalancer, log: StepLog) -> None:
        """Wait until HAProxy shows all `servers` up, except those that somebody keeps in maintenance, and
        those that may be down. Raises StepFailure.
        """
        deadline = Deadline(self._check_times.timeout)
        while True:
            reading = await self._read(balancer)
            servers = self._servers[balancer]
            states, serving = reading.of(servers), in_rotation(reading)
            waiting = [
                state
                for state in states
                if not (state.running or state.admin.in_maintenance)
                and not may_be_down(self._standing.get(state.server, Standing.UP), state.server, serving)
            ]
            if len(states) == len(servers) and not waiting:
                return
            shown = first_of([f"{state.server} shows {state.status}" for state in waiting])
            log.progress(shown, of=balancer.name)
            if deadline.passed:
                limit = await self._check_times.up(reading, waiting)
                deadline.postpone(limit.seconds)
                if deadline.passed:
                    raise StepFailure(
                        f"not back in rotation: {shown} after {limit.seconds:g} s", hint=limit.hint
                    )

    async def _run(self, line: str, log: StepLog) -> None:
        await self._context.run(line, timeout=_COMMAND, log=log)

    async def _request(self, request: Request, log: StepLog) -> None:
        await self._context.request(
            request.method, self._context.fill(request.url), timeout=_COMMAND, log=log
        )


def _has_left(state: ServerState) -> bool:
    """Whether HAProxy has seen the 404 (NOLB), its check failed for good (DOWN), or a person set maintenance.

    A person's drain is not enough: clients that are pinned to the server still reach it.
    """
    gone = (OperationalState.STOPPING, OperationalState.STOPPED)
    return state.admin.in_maintenance or state.operational in gone
