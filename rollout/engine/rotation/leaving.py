"""How one node leaves one load balancer's rotation: drain, wait for zero sessions, maintenance.

Where clients are pinned to a server and may be moved, maintenance comes right after the drain: clients that
never pause would keep it busy for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from rollout.deadline import Deadline
from rollout.decisions.alike import first_of
from rollout.domain import AdminState, Reading, Server, ServerState
from rollout.engine.log import StepLog
from rollout.engine.rotation.agents import asked, disabling
from rollout.engine.rotation.clients import BusyClients, counted_sessions, name_clients
from rollout.engine.rotation.ended_sessions import EndedSessions
from rollout.engine.rotation.first_look import FirstLook
from rollout.engine.rotation.node_servers import NodeServers, in_forced_maintenance
from rollout.errors import LoadBalancerUnreachable, StepFailure
from rollout.inventory.drain import Drain
from rollout.remote import runtime

_MOMENT = 0.05
"""Seconds between the drain and the maintenance that moves pinned clients."""
_GRACE = 1.0
"""Seconds between moving pinned clients away and ending what they still run (`on_timeout: close`)."""
_CLOSING = 5.0
"""Seconds in which HAProxy ends the sessions that it was told to end."""


class Leaving:
    """The way out of rotation of one node on one load balancer.

    `BalancerRotation` holds its lock while one of these methods runs. They raise what `NodeServers` raises.
    """

    def __init__(self, servers: NodeServers, drain: Drain) -> None:
        self._servers = servers
        self._pinned = servers.pinned_clients
        self._drain = drain
        self._drained = 0.0
        """When the servers were last drained, by the loop's clock."""
        self._first_look: FirstLook | None = None
        """The first look since the servers were last drained, until it is used."""

    async def drain(self, log: StepLog) -> None:
        """Send the node no new requests, except those of clients that are pinned to it."""
        reading = await self._servers.read(again=True)
        self._servers.ledger.open(reading)
        # A drain would end a maintenance, and pinned clients would reach a node that may not be up.
        to_drain = [state.server for state in reading.servers if not in_forced_maintenance(state)]
        lines = [*disabling(reading, to_drain), *runtime.leave(to_drain, asked(reading))]
        self._first_look = FirstLook(self._servers, to_drain)
        await self._servers.set_state(AdminState.FORCED_DRAIN, to_drain, lines, log)
        self._servers.note_told(reading)
        if not all(state.admin.is_out for state in reading.servers):
            self._drained = asyncio.get_running_loop().time()

    async def finish(self, log: StepLog) -> None:
        """Wait until all of the node's servers are idle and in maintenance, to which each is set the moment
        it is idle, or right after the drain if that moves clients which are pinned to it.

        Raises ChangedByOthers if somebody else changed a server; StepFailure if sessions are left after
        `drain.timeout`, and `drain.on_timeout` is to abort or HAProxy does not end them.
        """
        deadline = Deadline(self._drain.timeout)
        clients = BusyClients(self._servers.balancer, deadline)
        ended: EndedSessions | None = None
        while True:
            reading = await self._read_while_out(log)
            states = reading.servers
            busy = [state for state in states if not state.idle]
            load = sum(state.load for state in busy)
            log.sessions(self._servers.load_balancer, load, await clients.describe(busy))
            if ended is not None:
                await ended.warn(reading, log)
                ended = None
            if not busy and all(map(in_forced_maintenance, states)):
                return
            to_maintain = await self._to_maintain(reading)
            if to_maintain:
                ended = EndedSessions(self._pinned, reading, to_maintain)
                # A load balancer that is restarted at this very moment must be read again before it is
                # told again: the new process may have sent requests there, and maintenance can cut them.
                with contextlib.suppress(LoadBalancerUnreachable):
                    commands = runtime.maintenance(to_maintain)
                    await self._servers.set_state(
                        AdminState.FORCED_MAINT, to_maintain, commands, log, insistent=False
                    )
            elif deadline.passed:
                if self._drain.on_timeout == "abort":
                    raise await self._too_slow(busy)
                await self._close(busy, log)

    async def maintain(self, log: StepLog, clients: str = "") -> None:
        """Set to maintenance, whatever they are doing, all servers that nobody else has changed.

        Warns of sessions that this may have ended, and names their `clients` where they are known.
        """
        reading = await self._servers.read_ours(again=True)
        ours = [state.server for state in reading.servers]
        lines = [*disabling(reading), *runtime.maintenance(ours)]
        await self._servers.set_state(AdminState.FORCED_MAINT, ours, lines, log)
        if any(not state.idle for state in reading.servers):
            await EndedSessions(self._pinned, reading, ours).warn(await self._servers.read(), log, clients)

    async def _read_while_out(self, log: StepLog) -> Reading:
        """A fresh reading that shows all servers out of rotation: drained again if a reload brought one back.

        Raises ChangedByOthers if a person did.
        """
        reading = await self._looked() or await self._servers.read()
        self._servers.require_unchanged(reading)
        if any(not state.admin.is_out or state.agent_checked for state in reading.servers):
            await self.drain(log)
            reading = await self._looked() or await self._servers.read()
        if all(state.admin.is_out for state in reading.servers):
            self._servers.note_told(reading)
        return reading

    async def _looked(self) -> Reading | None:
        """A reading that was begun when a drain had settled, if there was a drain since the last one."""
        look, self._first_look = self._first_look, None
        if look is None:
            return None
        return await look.reading() or await self._servers.read(now=True)

    async def _to_maintain(self, reading: Reading) -> list[Server]:
        """The servers that are set to maintenance now: those that are idle, with all that follow them, and
        those whose pinned clients may be moved."""
        drained = [state for state in reading.servers if not in_forced_maintenance(state)]
        busy = [state for state in drained if not state.idle]
        followed = {state.tracks for state in reading.servers if not state.idle}
        moved: set[Server] = set()
        if busy and asyncio.get_running_loop().time() >= self._drained + _MOMENT:
            await self._pinned.look(reading)
            moved = {state.server for state in busy if self._pinned.is_moved(state.server)}
        return [
            state.server
            for state in drained
            if state.server in moved or (state.idle and state.server.path not in followed)
        ]

    async def _close(self, busy: Sequence[ServerState], log: StepLog) -> None:
        """Move pinned clients away, give running sessions a last moment, then end them."""
        await self.maintain(log, await self._name_clients(busy))
        left = await self._busy_after(_GRACE)
        if left:
            balancer = self._servers.load_balancer
            log.add(f"{counted_sessions(left)} ended on {balancer}")
            clients = await self._name_clients(left)
            log.warn(f"ending the sessions that are left on {balancer}: {clients or counted_sessions(left)}")
            await self._servers.send([runtime.shutdown_sessions(state.server) for state in left], log)
            left = await self._busy_after(_CLOSING)
        if left:
            raise await self._too_slow(left)

    async def _busy_after(self, seconds: float) -> list[ServerState]:
        """The servers that are still busy after `seconds`; returns early once none is."""
        deadline = Deadline(seconds)
        while busy := [state for state in (await self._servers.read()).servers if not state.idle]:
            if deadline.passed:
                break
        return busy

    async def _too_slow(self, busy: Sequence[ServerState]) -> StepFailure:
        left = first_of([f"{state.load} on {state.server}{_of_old_processes(state)}" for state in busy])
        clients = await self._name_clients(busy)
        pinned = self._pinned.why_waited_for(s.server for s in busy if not in_forced_maintenance(s))
        return StepFailure(
            f"not drained within {self._drain.timeout:g} s: sessions left: {left}"
            + (f": {clients}" if clients else ""),
            hint=pinned
            or "raise drain.timeout, or let `drain.on_timeout: close` end the sessions that are left",
        )

    async def _name_clients(self, busy: Sequence[ServerState]) -> str:
        return await name_clients([state.server for state in busy], self._servers.balancer)


def _of_old_processes(state: ServerState) -> str:
    return f" ({state.old_sessions} in processes from before a reload)" if state.old_sessions else ""
