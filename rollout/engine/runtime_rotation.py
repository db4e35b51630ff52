"""Leaving and coming back by HAProxy's runtime socket.

The order of commands never lets HAProxy send a request to a node that is not up:
drain, wait for zero, maintenance (which also keeps pinned clients away), and back by way of
drained-and-DOWN, so that only a fresh check of HAProxy's own makes a server eligible again.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence

from rollout import runtime
from rollout.domain import AdminState, CheckResult, Found, Reading, Server, ServerState
from rollout.engine.ledger import Ledger
from rollout.engine.log import StepLog
from rollout.engine.waiting import each, insist, patiently, together
from rollout.errors import StepFailure
from rollout.inventory.model import Drain
from rollout.ports import LoadBalancer

_GRACE = 1.0
"""Seconds between moving pinned clients away and ending what they still run (`on_timeout: close`)."""
_WATCH = 0.1
"""Seconds between two looks at a node that is out."""
_CLOSING = 5.0
"""Seconds in which HAProxy ends the sessions that it was told to end."""


class RuntimeRotation:
    """Implements `Rotation`. Seconds are `rejoin_timeout`, in which HAProxy's own checks must pass, and
    `patience`, for which a load balancer that does not answer is waited for.

    `before` and `taken_up` are as in `Ledger`.
    """

    def __init__(
        self,
        servers: Mapping[str, tuple[Server, ...]],
        load_balancers: Mapping[str, LoadBalancer],
        drain: Drain,
        rejoin_timeout: float,
        patience: float,
        before: Mapping[Server, Found] | None = None,
        *,
        taken_up: bool = False,
    ) -> None:
        self._ways = [
            _OneBalancer(
                load_balancers[name],
                own,
                drain,
                rejoin_timeout,
                patience,
                Ledger(before or {}, taken_up=taken_up),
            )
            for name, own in servers.items()
        ]

    @property
    def given_up(self) -> bool:
        return bool(self._ways) and all(way.given_up for way in self._ways)

    async def leave(self, log: StepLog) -> None:
        await together(way.leave(log) for way in self._ways)

    async def drained(self, log: StepLog) -> None:
        await together(way.drained(log) for way in self._ways)

    async def still_out(self, log: StepLog) -> None:
        if not all(await together(way.still_held() for way in self._ways)):
            # HAProxy was reloaded: it forgets what was set by the socket. Or something came after all.
            await self.leave(log)
            await self.drained(log)

    async def guard(self, log: StepLog) -> None:
        await together(way.guard(log) for way in self._ways)

    async def give_back(self, log: StepLog) -> None:
        await each(way.give_back(log) for way in self._ways)

    async def prove(self, log: StepLog) -> None:
        await together(way.prove(log) for way in self._ways)

    async def enter(self, log: StepLog) -> None:
        # Where others changed one server, none of the node's comes back.
        readings = await together(way.unchanged() for way in self._ways)
        await together(way.enter(seen, log) for way, seen in zip(self._ways, readings, strict=True))

    async def hold(self, log: StepLog) -> None:
        await each(way.hold(log) for way in self._ways)


class _OneBalancer:
    """The node's servers on one load balancer."""

    def __init__(
        self,
        balancer: LoadBalancer,
        servers: tuple[Server, ...],
        drain: Drain,
        rejoin_timeout: float,
        patience: float,
        ledger: Ledger,
    ) -> None:
        self._balancer = balancer
        self._ledger = ledger
        self._servers = servers
        self._drain = drain
        self._rejoin_timeout = rejoin_timeout
        self._patience = patience
        self._pid = 0
        self._checked: frozenset[Server] = frozenset()
        self._proving = False

    @property
    def given_up(self) -> bool:
        return self._ledger.theirs.issuperset(self._servers)

    async def unchanged(self) -> Reading:
        """A fresh reading. Raises ChangedByOthers if somebody else changed a server."""
        reading = await self._read()
        self._ledger.require_unchanged(reading, reloaded=reading.pid != self._pid)
        return reading

    async def leave(self, log: StepLog) -> None:
        reading = await self._read()
        self._ledger.open(reading)
        self._pid = reading.pid
        # A drain would end a hold, and pinned clients would reach a node that may not be up.
        there = [state.server for state in reading.servers if not _is_held(state)]
        if there:
            await self._set(AdminState.FORCED_DRAIN, there, runtime.leave(there), log)

    async def drained(self, log: StepLog) -> None:
        """Each server is held in the moment when it has nothing to do; held, all must be idle."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._drain.timeout
        while True:
            states = await self._while_out(log)
            busy = [state for state in states if not state.idle]
            log.sessions(self._balancer.name, sum(map(_load, busy)))
            if not busy and all(map(_is_held, states)):
                return
            idle = [state.server for state in states if state.idle and not _is_held(state)]
            if idle:
                await self._set(AdminState.FORCED_MAINT, idle, runtime.hold(idle), log)
            elif clock() >= deadline:
                if self._drain.on_timeout == "abort":
                    raise _too_slow(busy, self._drain.timeout)
                await self._close(log)

    async def still_held(self) -> bool:
        """Whether a fresh reading shows all held and idle. Raises ChangedByOthers if a person is why not."""
        return all(_is_held(state) and state.idle for state in (await self.unchanged()).servers)

    async def guard(self, log: StepLog) -> None:
        """A reload forgets what was set by the socket: hold again what it brought back."""
        while not self._proving:
            reading = await self._read()
            back = [state.server for state in reading.servers if not _is_held(state)]
            if back and reading.pid != self._pid and not self._proving:
                await self._set(AdminState.FORCED_MAINT, back, runtime.hold(back), log)
                self._pid = reading.pid
            await asyncio.sleep(_WATCH)

    async def give_back(self, log: StepLog) -> None:
        await self._send(self._ledger.as_before(await self._ours()), log)

    async def hold(self, log: StepLog) -> None:
        ours = [state.server for state in await self._ours()]
        await self._set(AdminState.FORCED_MAINT, ours, runtime.hold(ours), log)

    async def prove(self, log: StepLog) -> None:
        """Wait until HAProxy's own check of every server that has one has passed anew; no traffic yet."""
        self._proving = True
        reading = await self.unchanged()
        self._pid = reading.pid
        self._checked = _checked(reading)
        back = [server for server in self._servers if not self._ledger.stays_in_maintenance(server)]
        await self._set(AdminState.FORCED_DRAIN, back, runtime.check(back, self._checked), log)
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._rejoin_timeout
        while waiting := self._unproven(await self.unchanged()):
            log.progress(f"{self._balancer.name} has yet to check {_paths(waiting)}")
            if clock() >= deadline:
                shown = ", ".join(f"{state.server} shows {_check(state)}" for state in waiting)
                raise StepFailure(
                    f"HAProxy's own check did not pass within {self._rejoin_timeout:g} s: {shown}",
                    hint="the node answers its health page, but not the check that HAProxy makes",
                )

    def _unproven(self, reading: Reading) -> list[ServerState]:
        """One that tracks another server of the node's is proven with it; one that stays out need not be."""
        own = {server.path for server in self._servers}
        return [
            state
            for state in reading.servers
            if not _is_proven(state)
            and state.tracks not in own
            and not self._ledger.is_kept_out(state.server)
        ]

    async def enter(self, seen: Reading, log: StepLog) -> None:
        """Put back what was in rotation before, and leave the rest as it was."""
        weights = self._ledger.lost_weights(seen.servers)
        back = [server for server in self._servers if self._ledger.returns(server)]
        commands = [*weights, *runtime.enter(back, self._checked)]
        await self._set(AdminState.READY, back, commands, log)
        for state in await self._ours():
            if self._ledger.is_kept_out(state.server):
                _tell(log, f"{state.server} stays out as it was: {state.status}")
            elif not state.running or _is_out(state):
                raise StepFailure(f"{state.server} is not back in rotation: it shows {state.status}")
        for server in sorted(self._ledger.changed):
            _tell(log, f"someone else changed {server} as it came back")

    async def _read(self) -> Reading:
        """A fresh reading of this node's servers alone. Raises StepFailure if HAProxy lost one."""
        reading = await patiently(self._balancer, self._patience)
        own = reading.of(self._servers)
        gone = set(self._servers).difference(state.server for state in own)
        if gone:
            raise StepFailure(f"HAProxy no longer has {', '.join(map(str, sorted(gone)))}")
        return dataclasses.replace(reading, servers=own)

    async def _ours(self) -> tuple[ServerState, ...]:
        """The servers of which nobody else has changed the state, freshly read."""
        reading = await self._read()
        return self._ledger.ours(reading, reloaded=reading.pid != self._pid)

    async def _set(
        self, admin: AdminState, servers: Sequence[Server], commands: Sequence[str], log: StepLog
    ) -> None:
        """Send commands that leave `servers` in a state that was set by us."""
        self._ledger.sending(servers, admin)
        await self._send(commands, log)
        self._ledger.sent(servers, admin)

    async def _send(self, commands: Sequence[str], log: StepLog) -> None:
        if commands:
            log.sent(self._balancer.name, "; ".join(commands))
            await insist(self._balancer, commands, self._patience)

    async def _while_out(self, log: StepLog) -> tuple[ServerState, ...]:
        """The servers in a fresh reading, all of them out.

        What a reload brought back is drained again. What a person changed is theirs: ChangedByOthers.
        """
        reading = await self.unchanged()
        if any(not _is_out(state) for state in reading.servers):
            await self.leave(log)
            reading = await self._read()
        return reading.servers

    async def _close(self, log: StepLog) -> None:
        """Move pinned clients away, give what runs a last moment, then end it."""
        await self.hold(log)
        left = await self._busy_after(_GRACE)
        if left:
            _tell(log, f"{sum(map(_load, left))} sessions ended on {self._balancer.name}")
            await self._send([runtime.shutdown_sessions(state.server) for state in left], log)
            left = await self._busy_after(_CLOSING)
        if left:
            raise _too_slow(left, self._drain.timeout)

    async def _busy_after(self, seconds: float) -> list[ServerState]:
        """The servers that are still busy after so long; returns early once none is."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while busy := [state for state in (await self._read()).servers if not state.idle]:
            if clock() >= deadline:
                break
        return busy


def _is_out(state: ServerState) -> bool:
    return state.admin.in_drain or state.admin.in_maintenance


def _is_held(state: ServerState) -> bool:
    """In maintenance by our command; HAProxy itself may end any other maintenance."""
    return AdminState.FORCED_MAINT in state.admin


def _load(state: ServerState) -> int:
    """Sessions on it and waiting for it; a connection that is busy without either counts as one."""
    return max(state.sessions + state.queued, state.busy_connections)


def _checked(reading: Reading) -> frozenset[Server]:
    """Those that HAProxy checks itself; one that tracks another has that one's health."""
    return frozenset(state.server for state in reading.servers if state.checked and not state.tracks)


def _is_proven(state: ServerState) -> bool:
    """Its checks made it run again, or the first of them has passed since it was set down."""
    return state.running or (state.check_health > 0 and state.check_result == CheckResult.PASSED)


def _paths(states: Sequence[ServerState]) -> str:
    return ", ".join(state.server.path for state in states)


def _check(state: ServerState) -> str:
    return state.check_status or state.status


def _tell(log: StepLog, detail: str) -> None:
    log.detail = f"{log.detail}, {detail}" if log.detail else detail


def _too_slow(busy: Sequence[ServerState], timeout: float) -> StepFailure:
    left = ", ".join(f"{_load(state)} on {state.server}" for state in busy)
    return StepFailure(
        f"not drained within {timeout:g} s: sessions left: {left}",
        hint="raise drain.timeout, or let `drain.on_timeout: close` end the sessions that are left",
    )
