"""Leaving and coming back by HAProxy's runtime socket.

The order of commands never lets HAProxy send a request to a node that is not up:
drain, wait for zero, maintenance (which also keeps pinned clients away), and back by way of
drained-and-DOWN, so that only a fresh check of HAProxy's own makes a server eligible again.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from enum import Enum, auto

from rollout import runtime
from rollout.domain import AdminState, CheckResult, Reading, Server, ServerState
from rollout.engine.log import StepLog
from rollout.engine.old_processes import OldProcesses
from rollout.engine.state_file import StateFile
from rollout.engine.waiting import each, insist, patiently, together
from rollout.errors import ChangedByOthers, RolloutError, StepFailure
from rollout.inventory.model import Drain
from rollout.ports import LoadBalancer

_GRACE = 1.0
"""Seconds between moving pinned clients away and ending what they still run (`on_timeout: close`)."""
_WATCH = 0.05
"""Seconds between two looks at a node that is out: after a reload, HAProxy sends it requests until then."""
_CLOSING = 5.0
"""Seconds in which HAProxy ends the sessions that it was told to end."""


class RuntimeRotation:
    """Implements `Rotation`. `rejoin_timeout` is in seconds: HAProxy's own checks must pass in it."""

    def __init__(
        self,
        servers: Mapping[str, tuple[Server, ...]],
        load_balancers: Mapping[str, LoadBalancer],
        drain: Drain,
        rejoin_timeout: float,
        old_processes: OldProcesses,
        state_files: Mapping[str, StateFile],
    ) -> None:
        self._drain = drain
        self._old = old_processes
        self._ways = [
            _OneBalancer(load_balancers[name], own, drain, rejoin_timeout, state_files[name])
            for name, own in servers.items()
        ]

    async def leave(self, log: StepLog) -> None:
        await together(way.leave(log) for way in self._ways)

    async def drained(self, log: StepLog) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._drain.timeout
        while True:
            await together(way.drained(log) for way in self._ways)
            left = await self._unseen(log)
            if left and clock() < deadline:
                await asyncio.sleep(_WATCH)
            elif left and self._drain.on_timeout == "abort":
                raise _still_connected(left, self._drain.timeout)
            else:
                break
        if left:
            given_up = f"{_count(left)} of before a reload given up"
            log.detail = f"{log.detail}, {given_up}" if log.detail else given_up
        self._old.clear([way.seen for way in self._ways])

    async def _unseen(self, log: StepLog) -> list[str]:
        """The node's connections, if some may be of old processes, whose sessions no reading shows."""
        ports = await self._old.ports([way.seen for way in self._ways])
        found = await self._old.connections(ports, log)
        # Read after the connections were counted: no new ones are made, so as many of them are idle.
        idle = sum(await together(way.idle(ports) for way in self._ways)) if found else 0
        return found if len(found) > idle else []

    async def still_out(self, log: StepLog) -> None:
        held = await together(way.still_held() for way in self._ways)
        if not all(held) or await self._unseen(log):
            # HAProxy was reloaded: it forgets what was set by the socket. Or something came after all.
            await self.leave(log)
            await self.drained(log)
        for way in self._ways:
            way.touch()

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


class _Stage(Enum):
    """What a load balancer has to be told again when it forgot."""

    DRAINED = auto()
    """The application is up: what a reload sent there may finish."""
    TOUCHED = auto()
    """It may be down: nothing may be sent there."""
    PROVING = auto()
    """It is up, and only HAProxy's own check is waited for."""
    BACK = auto()


class _OneBalancer:
    """The node's servers on one load balancer."""

    def __init__(
        self,
        balancer: LoadBalancer,
        servers: tuple[Server, ...],
        drain: Drain,
        rejoin_timeout: float,
        state_file: StateFile,
    ) -> None:
        self._balancer = balancer
        self._servers = servers
        self._drain = drain
        self._rejoin_timeout = rejoin_timeout
        self._state_file = state_file
        self._process = (0, 0)
        """The process that was told what `_stage` needs."""
        self._stage = _Stage.DRAINED
        self._held = False
        self.seen: Reading
        """The last reading of the node's servers alone."""
        self._checked: frozenset[Server] = frozenset()
        self._telling = asyncio.Lock()
        """Held from a look to what is told because of it, so that our own commands are not a stranger's."""

    async def leave(self, log: StepLog) -> None:
        async with self._telling:
            await self._leave(log)

    async def drained(self, log: StepLog) -> None:
        async with self._telling:
            await self._drained(log)

    async def idle(self, ports: Collection[int]) -> int:
        """How many connections to these ports HAProxy keeps although it does not use them."""
        return sum(s.idle_connections for s in (await self._read()).servers if s.port in ports)

    def touch(self) -> None:
        """From now on the application may be down."""
        self._stage = _Stage.TOUCHED

    async def _leave(self, log: StepLog) -> None:
        self._held = False
        reading = await self._read()
        # A drain would end a hold, and pinned clients would reach a node that may not be up.
        there = [state.server for state in reading.servers if not _is_held(state)]
        if there:
            await self._send(runtime.leave(there), log)
        self._process = reading.process

    async def _drained(self, log: StepLog) -> None:
        """Each server is held in the moment when it has nothing to do; held, all must be idle."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._drain.timeout
        while True:
            states = await self._while_out(log)
            busy = [state for state in states if not state.idle]
            log.sessions(self._balancer.name, sum(state.load for state in busy))
            if not busy and all(map(_is_held, states)):
                self._held = True
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
        async with self._telling:
            reading = await self._read()
            back = [state for state in reading.servers if not _is_held(state)]
            if back and self._held and reading.process == self._process:
                raise _put_back(back)
            return not back and all(state.idle for state in reading.servers)

    async def guard(self, log: StepLog) -> None:
        """Tell a process what its predecessor was told, whatever goes wrong meanwhile."""
        while self._stage is not _Stage.BACK:
            # What cannot be done now is tried again: while nobody answers, nobody sends requests either.
            with contextlib.suppress(RolloutError):
                reading = await self._read()
                told = await self._tell_again(reading, log)
                if not told and self._stage is _Stage.TOUCHED and not all(map(_is_out, reading.servers)):
                    return  # a person put it back
            await asyncio.sleep(_WATCH)

    async def _tell_again(self, reading: Reading, log: StepLog) -> bool:
        """A reload forgets what was set by the socket: set it again. False if it is no other process."""
        async with self._telling:
            if reading.process == self._process:
                return False
            match self._stage:
                case _Stage.DRAINED:
                    await self._leave(log)
                    await self._drained(log)
                case _Stage.TOUCHED:
                    await self._send(runtime.hold(self._servers), log)
                case _Stage.PROVING:
                    await self._send(runtime.check(self._servers, self._checked), log)
                case _Stage.BACK:
                    return False
            self._process = reading.process
            return True

    async def give_back(self, log: StepLog) -> None:
        self._stage = _Stage.BACK
        await self._send([runtime.ready(server) for server in self._servers], log)

    async def hold(self, log: StepLog) -> None:
        self._stage = _Stage.TOUCHED
        await self._send(runtime.hold(self._servers), log)

    async def prove(self, log: StepLog) -> None:
        """Wait until HAProxy's own check of every server that has one has passed anew; no traffic yet."""
        async with self._telling:
            reading = await self._read()
            self._checked = _checked(reading)
            self._stage = _Stage.PROVING
            await self._send(runtime.check(self._servers, self._checked), log)
            self._process = reading.process
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._rejoin_timeout
        while waiting := self._unproven(reading := await self._read()):
            log.progress(f"{self._balancer.name} has yet to check {_paths(waiting)}")
            if clock() >= deadline:
                shown = ", ".join(f"{state.server} shows {_check(state)}" for state in waiting)
                raise StepFailure(
                    f"HAProxy's own check did not pass within {self._rejoin_timeout:g} s: {shown}",
                    hint="the node answers its health page, but not the check that HAProxy makes",
                )
            if await self._tell_again(reading, log):
                deadline = clock() + self._rejoin_timeout

    def _unproven(self, reading: Reading) -> list[ServerState]:
        """A server that tracks another one of the node's is proven with it.

        What another process shows, which takes its servers for UP when it starts, proves nothing.
        """
        own = {server.path for server in self._servers}
        told = reading.process == self._process
        return [
            state
            for state in reading.servers
            if not told or (not _is_proven(state) and state.tracks not in own)
        ]

    async def enter(self, log: StepLog) -> None:
        while True:
            while not await self._entered(log):
                await self.prove(log)
            reading = await self._read()
            out = [state for state in reading.servers if not state.running or _is_out(state)]
            if out and reading.process == self._process:
                raise StepFailure(f"{out[0].server} is not back in rotation: it shows {out[0].status}")
            if not out:
                return

    async def _entered(self, log: StepLog) -> bool:
        """Put it back, unless HAProxy was reloaded since `prove`: then all must be proven again."""
        async with self._telling:
            if self._unproven(await self._read()):
                return False
            self._stage = _Stage.BACK
            await self._send(runtime.enter(self._servers, self._checked), log)
            return True

    async def _read(self) -> Reading:
        """A fresh reading of this node's servers alone. Raises StepFailure if HAProxy lost one."""
        reading = await patiently(self._balancer)
        own = reading.of(self._servers)
        gone = set(self._servers).difference(state.server for state in own)
        if gone:
            raise StepFailure(f"HAProxy no longer has {', '.join(map(str, sorted(gone)))}")
        self.seen = dataclasses.replace(reading, servers=own)
        return self.seen

    async def _send(self, commands: Sequence[str], log: StepLog) -> None:
        log.sent(self._balancer.name, "; ".join(commands))
        await insist(self._balancer, commands)
        await self._state_file.update(self._servers, log, out=self._stage is not _Stage.BACK)

    async def _while_out(self, log: StepLog) -> tuple[ServerState, ...]:
        """The servers in a fresh reading, all of them out.

        What a reload brought back is drained again. What a person put back is theirs: StepFailure.
        """
        reading = await self._read()
        back = [state for state in reading.servers if not _is_out(state)]
        if back and reading.process == self._process:
            raise _put_back(back)
        if back:
            await self._leave(log)
            reading = await self._read()
        return reading.servers

    async def _close(self, log: StepLog) -> None:
        """Move pinned clients away, give what runs a last moment, then end it."""
        await self._send(runtime.hold(self._servers), log)
        left = await self._busy_after(_GRACE)
        if left:
            ended = f"{sum(state.load for state in left)} sessions ended on {self._balancer.name}"
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


def _count(connections: Sequence[str]) -> str:
    return f"{len(connections)} connection{'' if len(connections) == 1 else 's'}"


def _still_connected(connections: Sequence[str], timeout: float) -> StepFailure:
    return StepFailure(
        f"not drained within {timeout:g} s: HAProxy was started a moment ago, and the node still has "
        f"{_count(connections)} that may be of the process before it",
        hint="wait, or let `master:` of the load balancer tell what that process still does",
        tail=tuple(connections),
    )


def _old(state: ServerState) -> str:
    return f" ({state.old_sessions} in processes of before a reload)" if state.old_sessions else ""


def _too_slow(busy: Sequence[ServerState], timeout: float) -> StepFailure:
    left = ", ".join(f"{state.load} on {state.server}{_old(state)}" for state in busy)
    return StepFailure(
        f"not drained within {timeout:g} s: sessions left: {left}",
        hint="raise drain.timeout, or let `drain.on_timeout: close` end the sessions that are left",
    )
