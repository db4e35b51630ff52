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
from rollout.domain import AdminState, CheckResult, Reading, Server, ServerState
from rollout.engine.log import StepLog
from rollout.engine.waiting import each, insist, patiently, together
from rollout.errors import ChangedByOthers, StepFailure
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
    `patience`, for which a load balancer that does not answer is waited for."""

    def __init__(
        self,
        servers: Mapping[str, tuple[Server, ...]],
        load_balancers: Mapping[str, LoadBalancer],
        drain: Drain,
        rejoin_timeout: float,
        patience: float,
    ) -> None:
        self._ways = [
            _OneBalancer(load_balancers[name], own, drain, rejoin_timeout, patience)
            for name, own in servers.items()
        ]

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
        await together(way.enter(log) for way in self._ways)

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
    ) -> None:
        self._balancer = balancer
        self._servers = servers
        self._drain = drain
        self._rejoin_timeout = rejoin_timeout
        self._patience = patience
        self._pid = 0
        self._checked: frozenset[Server] = frozenset()
        self._proving = False

    async def leave(self, log: StepLog) -> None:
        reading = await self._read()
        self._pid = reading.pid
        # A drain would end a hold, and pinned clients would reach a node that may not be up.
        there = [state.server for state in reading.servers if not _is_held(state)]
        if there:
            await self._send(runtime.leave(there), log)

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
                await self._send(runtime.hold(idle), log)
            elif clock() >= deadline:
                if self._drain.on_timeout == "abort":
                    raise _too_slow(busy, self._drain.timeout)
                await self._close(log)

    async def still_held(self) -> bool:
        """Whether a fresh reading shows all held and idle. Raises StepFailure if a person is why not."""
        reading = await self._read()
        back = [state for state in reading.servers if not _is_held(state)]
        if back and reading.pid == self._pid:
            raise _put_back(back)
        return not back and all(state.idle for state in reading.servers)

    async def guard(self, log: StepLog) -> None:
        """A reload forgets what was set by the socket: hold again what it brought back."""
        while not self._proving:
            reading = await self._read()
            back = [state.server for state in reading.servers if not _is_held(state)]
            if back and reading.pid != self._pid and not self._proving:
                await self._send(runtime.hold(back), log)
                self._pid = reading.pid
            await asyncio.sleep(_WATCH)

    async def give_back(self, log: StepLog) -> None:
        await self._send([runtime.ready(server) for server in self._servers], log)

    async def hold(self, log: StepLog) -> None:
        await self._send(runtime.hold(self._servers), log)

    async def prove(self, log: StepLog) -> None:
        """Wait until HAProxy's own check of every server that has one has passed anew; no traffic yet."""
        self._proving = True
        self._checked = _checked(await self._read())
        await self._send(runtime.check(self._servers, self._checked), log)
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._rejoin_timeout
        while waiting := self._unproven(await self._read()):
            log.progress(f"{self._balancer.name} has yet to check {_paths(waiting)}")
            if clock() >= deadline:
                shown = ", ".join(f"{state.server} shows {_check(state)}" for state in waiting)
                raise StepFailure(
                    f"HAProxy's own check did not pass within {self._rejoin_timeout:g} s: {shown}",
                    hint="the node answers its health page, but not the check that HAProxy makes",
                )

    def _unproven(self, reading: Reading) -> list[ServerState]:
        """A server that tracks another one of the node's is proven with it."""
        own = {server.path for server in self._servers}
        return [state for state in reading.servers if not _is_proven(state) and state.tracks not in own]

    async def enter(self, log: StepLog) -> None:
        await self._send(runtime.enter(self._servers, self._checked), log)
        for state in (await self._read()).servers:
            if not state.running or _is_out(state):
                raise StepFailure(f"{state.server} is not back in rotation: it shows {state.status}")

    async def _read(self) -> Reading:
        """A fresh reading of this node's servers alone. Raises StepFailure if HAProxy lost one."""
        reading = await patiently(self._balancer, self._patience)
        own = reading.of(self._servers)
        gone = set(self._servers).difference(state.server for state in own)
        if gone:
            raise StepFailure(f"HAProxy no longer has {', '.join(map(str, sorted(gone)))}")
        return dataclasses.replace(reading, servers=own)

    async def _send(self, commands: Sequence[str], log: StepLog) -> None:
        log.sent(self._balancer.name, "; ".join(commands))
        await insist(self._balancer, commands, self._patience)

    async def _while_out(self, log: StepLog) -> tuple[ServerState, ...]:
        """The servers in a fresh reading, all of them out.

        What a reload brought back is drained again. What a person put back is theirs: StepFailure.
        """
        reading = await self._read()
        back = [state for state in reading.servers if not _is_out(state)]
        if back and reading.pid == self._pid:
            raise _put_back(back)
        if back:
            await self.leave(log)
            reading = await self._read()
        return reading.servers

    async def _close(self, log: StepLog) -> None:
        """Move pinned clients away, give what runs a last moment, then end it."""
        await self.hold(log)
        left = await self._busy_after(_GRACE)
        if left:
            ended = f"{sum(map(_load, left))} sessions ended on {self._balancer.name}"
            log.detail = f"{log.detail}, {ended}" if log.detail else ended
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


def _put_back(states: Sequence[ServerState]) -> ChangedByOthers:
    shown = ", ".join(f"{state.server} shows {state.status}" for state in states)
    return ChangedByOthers(f"someone else changed it while it was out: {shown}")


def _too_slow(busy: Sequence[ServerState], timeout: float) -> StepFailure:
    left = ", ".join(f"{_load(state)} on {state.server}" for state in busy)
    return StepFailure(
        f"not drained within {timeout:g} s: sessions left: {left}",
        hint="raise drain.timeout, or let `drain.on_timeout: close` end the sessions that are left",
    )
