"""The way of a node's servers on one load balancer: out of rotation, held out, proven, and back."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Collection, Sequence
from enum import Enum, auto

from rollout.domain import AdminState, CheckResult, Reading, Server, ServerState
from rollout.engine.log import StepLog
from rollout.engine.rotation.clients import BusyClients, who
from rollout.engine.rotation.ledger import Ledger
from rollout.engine.rotation.state_file import StateFile
from rollout.engine.rotation.warming import Warming
from rollout.engine.waiting import insist, patiently
from rollout.errors import LoadBalancerUnreachable, RolloutError, StepFailure
from rollout.inventory.drain import Drain
from rollout.inventory.warmup import Warmup
from rollout.ports import LoadBalancer
from rollout.remote import runtime

WATCH = 0.05
"""Seconds between two looks at a node that is out: after a reload, HAProxy sends it requests until then."""
_GRACE = 1.0
"""Seconds between moving pinned clients away and ending what they still run (`on_timeout: close`)."""
_CLOSING = 5.0
"""Seconds in which HAProxy ends the sessions that it was told to end."""


class _Stage(Enum):
    """What a load balancer has to be told again when it forgot."""

    DRAINED = auto()
    """The application is up: what a reload sent there may finish."""
    TOUCHED = auto()
    """It may be down: nothing may be sent there."""
    PROVING = auto()
    """It is up, and only HAProxy's own check is waited for."""
    BACK = auto()


class BalancerRotation:
    """The node's servers on one load balancer. Arguments are as in `RuntimeRotation`."""

    def __init__(
        self,
        balancer: LoadBalancer,
        servers: tuple[Server, ...],
        drain: Drain,
        rejoin_timeout: float,
        patience: float,
        state_file: StateFile,
        ledger: Ledger,
        warmup: Warmup | None,
    ) -> None:
        self._balancer = balancer
        self._servers = servers
        self._drain = drain
        self._rejoin_timeout = rejoin_timeout
        self._patience = patience
        self._state_file = state_file
        self._ledger = ledger
        self._warming = None if warmup is None else Warming(balancer.name, ledger, warmup.over, self._send)
        self._process = (0, 0)
        """The process that was told what `_stage` needs."""
        self._stage = _Stage.DRAINED
        self.seen: Reading
        """The last reading of the node's servers alone."""
        self._checked: frozenset[Server] = frozenset()
        self._telling = asyncio.Lock()
        """Held from a look to what is told because of it, so that our own commands are not a stranger's."""

    @property
    def given_up(self) -> bool:
        """Others have changed all of it."""
        return self._ledger.theirs.issuperset(self._servers)

    async def unchanged(self) -> Reading:
        """A fresh reading. Raises ChangedByOthers if somebody else changed a server."""
        async with self._telling:
            return await self._unchanged()

    async def leave(self, log: StepLog) -> None:
        """No new requests from now on, but those of pinned clients."""
        async with self._telling:
            await self._leave(log)

    async def drained(self, log: StepLog) -> None:
        """Each server is held in the moment when it has nothing to do; held, all must be idle."""
        async with self._telling:
            await self._drained(log)

    async def idle(self, ports: Collection[int]) -> int:
        """How many connections to these ports HAProxy keeps although it does not use them."""
        return sum(s.idle_connections for s in (await self._read()).servers if s.port in ports)

    async def still_held(self) -> bool:
        """Whether a fresh reading shows all held and idle. Raises ChangedByOthers if a person is why not."""
        return all(_is_held(state) and state.idle for state in (await self.unchanged()).servers)

    def touch(self) -> None:
        """From now on the application may be down."""
        self._stage = _Stage.TOUCHED

    async def guard(self, log: StepLog) -> None:
        """Tell a process what its predecessor was told, whatever goes wrong meanwhile."""
        while self._stage is not _Stage.BACK:
            # What cannot be done now is tried again: while nobody answers, nobody sends requests either.
            with contextlib.suppress(RolloutError):
                reading = await self._read()
                told = await self._tell_again(reading, log)
                if not told and self._stage is _Stage.TOUCHED and not all(map(_is_out, reading.servers)):
                    return  # a person put it back
            await asyncio.sleep(WATCH)

    async def give_back(self, log: StepLog) -> None:
        """As it was before."""
        async with self._telling:
            self._stage = _Stage.BACK
            await self._send(self._ledger.as_before(await self._ours()), log)

    async def hold(self, log: StepLog) -> None:
        """Out, whatever it was doing."""
        async with self._telling:
            self._stage = _Stage.TOUCHED
            await self._hold(log)
            await self._send(self._ledger.lost_weights(await self._ours()), log)

    async def prove(self, log: StepLog) -> None:
        """Wait until HAProxy's own check of every server that has one has passed anew; no traffic yet."""
        async with self._telling:
            reading = await self._unchanged()
            self._checked = _checked(reading)
            self._stage = _Stage.PROVING
            await self._have_checked(log)
            self._process = reading.process
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._rejoin_timeout
        while waiting := self._unproven(reading := await self.unchanged()):
            log.progress(f"{self._balancer.name} has yet to check {_paths(waiting)}", of=self._balancer.name)
            if clock() >= deadline:
                shown = ", ".join(f"{state.server} shows {_check(state)}" for state in waiting)
                raise StepFailure(
                    f"HAProxy's own check did not pass within {self._rejoin_timeout:g} s: {shown}",
                    hint="the node answers its health page, but not the check that HAProxy makes",
                )
            if await self._tell_again(reading, log):
                deadline = clock() + self._rejoin_timeout

    async def enter(self, log: StepLog) -> None:
        """Put back what was in rotation before, and leave the rest as it was."""
        while True:
            while not await self._entered(log):
                await self.prove(log)
            reading = await self._read()
            ours = self._ledger.ours(reading, reloaded=reading.process != self._process)
            wrong = [state for state in ours if not self._is_as_it_should_be(state)]
            if wrong and reading.process == self._process:
                raise StepFailure(f"{wrong[0].server} is not back in rotation: it shows {wrong[0].status}")
            if not wrong:
                break
        for state in ours:
            if self._ledger.is_kept_out(state.server):
                log.add(f"{state.server} stays out as it was: {state.status}")
        for server in sorted(self._ledger.changed):
            log.add(f"someone else changed {server} as it came back")

    async def warm_up(self, log: StepLog) -> None:
        """Raise what `enter` put back to the weight that it had. Raises ChangedByOthers."""
        if self._warming is None:
            return
        if light := [s.path for s in self._servers if self._ledger.has_no_steps(s)]:
            log.add(f"weight 1 leaves no steps to warm up {', '.join(light)} by on {self._balancer.name}")
        while self._warming.servers:
            async with self._telling:
                reading = await self._read()
                reloaded = reading.process != self._process
                self._ledger.require_unchanged(reading, reloaded=reloaded, since="as it came back")
                await self._warming.go_on(reading, log)
                self._process = reading.process
            await asyncio.sleep(WATCH)

    def _is_as_it_should_be(self, state: ServerState) -> bool:
        if self._ledger.is_kept_out(state.server):
            return _is_out(state)
        return state.running and not _is_out(state)

    async def _entered(self, log: StepLog) -> bool:
        """Put it back, unless HAProxy was reloaded since `prove`: then all must be proven again."""
        async with self._telling:
            reading = await self._unchanged()
            if self._unproven(reading):
                return False
            back = [server for server in self._servers if self._ledger.returns(server)]
            warmed: frozenset[Server] = frozenset()
            if self._warming is not None:
                await self._warming.begin(back, log)
                warmed = self._warming.servers
            self._stage = _Stage.BACK
            weights = self._ledger.lost_weights(s for s in reading.servers if s.server not in warmed)
            await self._set(AdminState.READY, back, [*weights, *runtime.enter(back, self._checked)], log)
            return True

    def _unproven(self, reading: Reading) -> list[ServerState]:
        """One that tracks another server of the node's is proven with it; one that stays out need not be.

        What another process shows, which takes its servers for UP when it starts, proves nothing.
        """
        if reading.process != self._process:
            return list(reading.servers)
        own = {server.path for server in self._servers}
        return [
            state
            for state in reading.servers
            if not _is_proven(state)
            and state.tracks not in own
            and not self._ledger.is_kept_out(state.server)
        ]

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
                    await self._hold(log)
                case _Stage.PROVING:
                    await self._have_checked(log)
                case _Stage.BACK:
                    return False
            self._process = reading.process
            return True

    async def _leave(self, log: StepLog) -> None:
        reading = await self._read()
        self._ledger.open(reading)
        # A drain would end a hold, and pinned clients would reach a node that may not be up.
        there = [state.server for state in reading.servers if not _is_held(state)]
        await self._set(AdminState.FORCED_DRAIN, there, runtime.leave(there), log)
        self._process = reading.process

    async def _drained(self, log: StepLog) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._drain.timeout
        holders = BusyClients(self._balancer, deadline)
        while True:
            states = await self._while_out(log)
            busy = [state for state in states if not state.idle]
            load = sum(state.load for state in busy)
            log.sessions(self._balancer.name, load, await holders.told(busy))
            if not busy and all(map(_is_held, states)):
                return
            idle = [state.server for state in states if state.idle and not _is_held(state)]
            if idle:
                # A load balancer that is restarted in this very moment must be looked at again before it is
                # told again: the new process may have sent requests there, and maintenance can cut them.
                with contextlib.suppress(LoadBalancerUnreachable):
                    await self._set(AdminState.FORCED_MAINT, idle, runtime.hold(idle), log, patience=0)
            elif clock() >= deadline:
                if self._drain.on_timeout == "abort":
                    raise await self._too_slow(busy)
                await self._close(log)

    async def _while_out(self, log: StepLog) -> tuple[ServerState, ...]:
        """The servers in a fresh reading, all of them out.

        What a reload brought back is drained again. What a person changed is theirs: ChangedByOthers.
        """
        reading = await self._unchanged()
        if any(not _is_out(state) for state in reading.servers):
            await self._leave(log)
            reading = await self._read()
        if all(map(_is_out, reading.servers)):
            self._process = reading.process
        return reading.servers

    async def _hold(self, log: StepLog) -> None:
        ours = [state.server for state in await self._ours()]
        await self._set(AdminState.FORCED_MAINT, ours, runtime.hold(ours), log)

    async def _have_checked(self, log: StepLog) -> None:
        staying = [server for server in self._servers if self._ledger.stays_in_maintenance(server)]
        back = [server for server in self._servers if server not in staying]
        await self._set(AdminState.FORCED_MAINT, staying, runtime.hold(staying), log)
        await self._set(AdminState.FORCED_DRAIN, back, runtime.check(back, self._checked), log)

    async def _close(self, log: StepLog) -> None:
        """Move pinned clients away, give what runs a last moment, then end it."""
        await self._hold(log)
        left = await self._busy_after(_GRACE)
        if left:
            log.add(f"{sum(state.load for state in left)} sessions ended on {self._balancer.name}")
            if whose := await who([state.server for state in left], self._balancer):
                log.warn(
                    f"sessions that did not end by themselves are ended on {self._balancer.name}: {whose}"
                )
            await self._send([runtime.shutdown_sessions(state.server) for state in left], log)
            left = await self._busy_after(_CLOSING)
        if left:
            raise await self._too_slow(left)

    async def _too_slow(self, busy: Sequence[ServerState]) -> StepFailure:
        left = ", ".join(f"{state.load} on {state.server}{_old(state)}" for state in busy)
        whose = await who([state.server for state in busy], self._balancer)
        return StepFailure(
            f"not drained within {self._drain.timeout:g} s: sessions left: {left}"
            + (f": {whose}" if whose else ""),
            hint="raise drain.timeout, or let `drain.on_timeout: close` end the sessions that are left",
        )

    async def _busy_after(self, seconds: float) -> list[ServerState]:
        """The servers that are still busy after so long; returns early once none is."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while busy := [state for state in (await self._read()).servers if not state.idle]:
            if clock() >= deadline:
                break
        return busy

    async def _read(self) -> Reading:
        """A fresh reading of this node's servers alone. Raises StepFailure if HAProxy lost one."""
        reading = await patiently(self._balancer, self._patience)
        own = reading.of(self._servers)
        gone = set(self._servers).difference(state.server for state in own)
        if gone:
            raise StepFailure(f"HAProxy no longer has {', '.join(map(str, sorted(gone)))}")
        self.seen = dataclasses.replace(reading, servers=own)
        return self.seen

    async def _unchanged(self) -> Reading:
        reading = await self._read()
        self._ledger.require_unchanged(reading, reloaded=reading.process != self._process)
        return reading

    async def _ours(self) -> tuple[ServerState, ...]:
        """The servers of which nobody else has changed the state, freshly read."""
        reading = await self._read()
        return self._ledger.ours(reading, reloaded=reading.process != self._process)

    async def _set(
        self,
        admin: AdminState,
        servers: Sequence[Server],
        commands: Sequence[str],
        log: StepLog,
        *,
        patience: float | None = None,
    ) -> None:
        """Send commands that leave `servers` in a state that was set by us."""
        self._ledger.sending(servers, admin)
        await self._send(commands, log, patience=patience)
        self._ledger.sent(servers, admin)

    async def _send(self, commands: Sequence[str], log: StepLog, *, patience: float | None = None) -> None:
        if commands:
            log.sent(self._balancer.name, "; ".join(commands))
            await insist(self._balancer, commands, self._patience if patience is None else patience)
            await self._state_file.update(self._servers, log, out=self._stage is not _Stage.BACK)


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


def _old(state: ServerState) -> str:
    return f" ({state.old_sessions} in processes of before a reload)" if state.old_sessions else ""
