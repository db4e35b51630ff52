"""One node's servers on one load balancer: reading their states, and sending their commands."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from enum import Enum, auto
from typing import cast

from rollout.decisions.alike import first_of
from rollout.decisions.standing import in_rotation
from rollout.domain import AdminState, Reading, Server, ServerState, Standing
from rollout.engine.log import StepLog
from rollout.engine.permission import Permission
from rollout.engine.places import NodePlaces
from rollout.engine.rotation.ledger import Ledger
from rollout.engine.rotation.pinned_clients import PinnedClients
from rollout.engine.rotation.state_file import StateFile
from rollout.engine.waiting import look_patiently, read_patiently, send_patiently
from rollout.errors import CommandRejected, LoadBalancerError, StepFailure
from rollout.ports import LoadBalancer
from rollout.remote.runtime import is_about_a_twin

_WHILE_OUT = "while it was out"


class Stage(Enum):
    """The stage of a node on its way out and back. It decides which commands a new HAProxy process gets."""

    DRAINING = auto()
    """The application is up: requests that a new process sent there may finish."""
    OUT = auto()
    """The application may be down: no request may be sent there."""
    PROVING = auto()
    """The application is up, and only HAProxy's own check is waited for."""
    BACK = auto()
    """The node is in rotation again: a new process need not be told anything."""


class NodeServers:
    """The servers that one node is on one load balancer.

    `patience` is in seconds: a load balancer that does not answer is asked again for that long, because it
    may be reloading. Methods that read or send raise LoadBalancerUnreachable after that; those that read
    raise StepFailure where HAProxy no longer has one of the servers. All but `read` are called under the lock
    of `BalancerRotation` while the guard may send: they compare with the ledger, or change it."""

    def __init__(
        self,
        balancer: LoadBalancer,
        servers: tuple[Server, ...],
        state_file: StateFile,
        pinned_clients: PinnedClients,
        ledger: Ledger,
        patience: float,
        permission: Permission,
        places: NodePlaces | None = None,
    ) -> None:
        """`places` are where the node is now; without them it stays where it was found to be."""
        self.balancer = balancer
        self.all = servers
        self.pinned_clients = pinned_clients
        self.ledger = ledger
        self.stage = Stage.DRAINING
        self.last_reading: Reading
        """The last reading, of these servers alone."""
        self.last_read = -math.inf
        """When it was asked for, on the loop's clock."""
        self._seen: Reading | None = None
        """The last reading, with all others that it shows."""
        self._serving: Mapping[str, Collection[Server]] | None = None
        self._state_file = state_file
        self._patience = patience
        self._permission = permission
        self._places = places
        self._told_process = (0, 0)
        """The process that was told what `stage` asks for."""

    @property
    def load_balancer(self) -> str:
        """The load balancer's name."""
        return self.balancer.name

    @property
    def why_forgotten(self) -> str:
        """Why no state file carries what was sent over a reload of HAProxy; empty if one does."""
        return self._state_file.why_not_kept

    @property
    def serving(self) -> Mapping[str, Collection[Server]]:
        """The servers in rotation at the last reading, by backend: whoever they are, if one of this node's
        was the only one."""
        if self._serving is None:
            self._serving = in_rotation(cast(Reading, self._seen))
        return self._serving

    def was_told(self, reading: Reading) -> bool:
        """Whether the process that answered was told what `stage` asks for.

        A process that a reload or a restart began since then was not: it has forgotten all of it.
        """
        return reading.process == self._told_process

    async def is_replaced(self) -> bool:
        """Whether another process answers now than the one that was told what `stage` asks for."""
        return await self.balancer.process() != self._told_process

    def note_told(self, reading: Reading) -> None:
        """Note that the process that answered has been told what `stage` asks for."""
        self._told_process = reading.process

    async def read(self, *, now: bool = False, again: bool = False) -> Reading:
        """A fresh reading of these servers alone.

        One that came just now will do, unless this must be begun `now`; also the last one of these servers,
        if that may be used `again`.
        """
        asked = asyncio.get_running_loop().time()
        if self._places is not None and not self.all:
            return self._note(await self._read_where_it_is_not(self._places), asked)
        recent = None if now else self.balancer.recent(of=self._wanted)
        if recent is None or (recent is self._seen and not again):
            recent = await self.look(self._patience, now=now)
        return await self.take(recent, asked)

    async def look(self, patience: float = 0.0, *, now: bool = False) -> Reading:
        """A fresh reading in which all of these servers are, and perhaps others. All of it is begun `now`, or
        some of it may have come a moment before."""
        if self._wanted is None:
            return await read_patiently(self.balancer, patience)
        return await look_patiently(self.balancer, self._wanted, patience, now=now)

    @property
    def _wanted(self) -> Collection[Server] | None:
        """The servers that a reading must show; `None` for everyone's, where another may have replaced one of
        these."""
        if any(self.ledger.standing(server) is Standing.ALONE for server in self.all):
            return None
        return self.all if self._places is None else self._places.on(self.load_balancer)

    async def take(self, reading: Reading, asked: float) -> Reading:
        """The part of a reading that is about these servers, by which they are the node's. It is the last one
        from now on. `asked` is when it was asked for, by the loop's clock."""
        if self._places is not None:
            reading = await self._places.follow(self.balancer, reading, self._patience)
            self._follow(reading, self._places)
        return self._note(reading, asked)

    def _note(self, reading: Reading, asked: float) -> Reading:
        states = {state.server: state for state in reading.servers}
        own = tuple(states[server] for server in self.all if server in states)
        gone = set(self.all).difference(state.server for state in own)
        if gone:
            raise StepFailure(f"HAProxy no longer has {first_of([*map(str, sorted(gone))])}")
        self.last_reading, self.last_read = dataclasses.replace(reading, servers=own), asked
        self._seen, self._serving = reading, None
        return self.last_reading

    async def _read_where_it_is_not(self, places: NodePlaces) -> Reading:
        """A reading of a load balancer on which the node has no server so far: nobody waits for it."""
        try:
            reading = await places.look(self.balancer, 0.0)
        except LoadBalancerError:
            pid, started = self._told_process
            return Reading(self.load_balancer, "", pid, uptime=0, started=started, servers=())
        self._follow(reading, places)
        return reading

    def _follow(self, reading: Reading, places: NodePlaces) -> None:
        """Take on the servers that the node has by now. They, too, are told what `stage` asks for."""
        states = reading.of(places.on(self.load_balancer))
        known = frozenset(self.all)
        if new := [state for state in states if state.server not in known]:
            self.ledger.adopt(new)
            self._told_process = (0, 0)
        self.all = tuple(state.server for state in states)

    async def read_unchanged(
        self, since: str = _WHILE_OUT, *, now: bool = False, again: bool = False
    ) -> Reading:
        """A fresh reading, as `read` gives it. Raises as `require_unchanged`."""
        reading = await self.read(now=now, again=again)
        self.require_unchanged(reading, since)
        return reading

    def require_unchanged(self, reading: Reading, since: str = _WHILE_OUT) -> None:
        """Raises ChangedByOthers if somebody else changed a server, SiteChanged if one moved, or if no load
        balancer has one any more."""
        if self._places is not None:
            self._places.require_there()
        self.ledger.require_unchanged(reading, reloaded=not self.was_told(reading), since=since)

    async def read_ours(self, *, again: bool = False) -> Reading:
        """A fresh reading of those servers whose state nobody else has changed."""
        reading = await self.read(again=again)
        ours = self.ledger.still_ours(reading, reloaded=not self.was_told(reading))
        return dataclasses.replace(reading, servers=ours)

    async def set_state(
        self,
        admin: AdminState,
        servers: Sequence[Server],
        commands: Sequence[str],
        log: StepLog,
        *,
        insistent: bool = True,
    ) -> None:
        """Send commands that leave `servers` in the state `admin`; unless `insistent`, send them only
        once."""
        self.ledger.about_to_set_state(servers, admin)
        await self.send(commands, log, insistent=insistent)
        self.ledger.state_set(servers, admin)

    async def send(self, commands: Sequence[str], log: StepLog, *, insistent: bool = True) -> None:
        """Send commands, if there are any, and keep HAProxy's state file up to date."""
        if commands:
            log.sent(self.load_balancer, "; ".join(commands))
            patience = self._patience if insistent else 0
            try:
                await send_patiently(self.balancer, commands, self._wanted, patience, self._permission)
            except CommandRejected as error:
                # A twin can be done without. Those commands come last, so none of the others was rejected.
                if not is_about_a_twin(error.command):
                    raise
            await self._state_file.update(self.all, log, out=self.stage is not Stage.BACK)


def in_forced_maintenance(state: ServerState) -> bool:
    """Whether a command set this server to maintenance; HAProxy itself may end any other maintenance."""
    return AdminState.FORCED_MAINT in state.admin


def is_held(state: ServerState) -> bool:
    """Whether the server is in maintenance, and no agent can end that."""
    return in_forced_maintenance(state) and not state.agent_checked
