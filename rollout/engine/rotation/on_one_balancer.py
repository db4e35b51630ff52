"""One node's rotation on one load balancer: the steps and the guard, one at a time.

`leaving.py` and `returning.py` decide what is sent. This file decides when: in which stage, under the
lock, and again to an HAProxy process that was started meanwhile (`_tell_again`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping

from rollout.deadline import Deadline
from rollout.decisions.alike import first_of
from rollout.domain import Reading, Server, ServerState
from rollout.engine.log import BeginStep, StepLog
from rollout.engine.rotation.check_times import CheckTimes, Limit
from rollout.engine.rotation.leaving import Leaving
from rollout.engine.rotation.node_servers import NodeServers, Stage, is_held
from rollout.engine.rotation.returning import Returning
from rollout.engine.rotation.twins import TwinPaths, Twins
from rollout.engine.rotation.warming import Warming
from rollout.errors import Fallen, LoadBalancerError, RolloutError, StepFailure
from rollout.inventory.drain import Drain
from rollout.inventory.warmup import Warmup
from rollout.remote import runtime

WATCH = 0.05
"""Seconds between two looks at a node that is out: after a reload, HAProxy sends it requests until then."""
_FULL_LOOK = 0.25
"""Seconds in which one such look is at the servers, too, not only at the process that answers: a person may
have put one back. Where a step has looked at them, the guard need not."""
_CONFIRM = 0.1
"""Seconds between two looks for the first check of a server that is back."""


class BalancerRotation:
    """One node's rotation on one load balancer, as `Rotation` describes it.

    Methods raise what `NodeServers` raises, and what is named with each.
    """

    def __init__(
        self,
        servers: NodeServers,
        drain: Drain,
        check_times: CheckTimes,
        warmup: Warmup | None,
        twin_paths: TwinPaths,
    ) -> None:
        self._servers = servers
        self._ledger = servers.ledger
        self._check_times = check_times
        self._warming = None if warmup is None else Warming(servers, warmup.over)
        self._leaving = Leaving(servers, drain)
        self._twins = Twins(twin_paths)
        self._returning = Returning(servers, self._warming, self._twins)
        self._lock = asyncio.Lock()
        """Held from a look at HAProxy to the last command that is sent because of it: else the guard would
        take a step's commands for somebody else's, and a step the guard's."""

    @property
    def given_up(self) -> bool:
        """Whether others have changed the state of all servers."""
        return self._ledger.given_up.issuperset(self._servers.all)

    @property
    def load_balancer(self) -> str:
        """The load balancer's name."""
        return self._servers.load_balancer

    @property
    def has_servers(self) -> bool:
        """Whether the node has a server here."""
        return bool(self._servers.all)

    @property
    def why_forgotten(self) -> str:
        """Why the load balancer's next process will not know what this one was told; empty if it will."""
        return self._servers.why_forgotten

    @property
    def last_reading(self) -> Reading:
        """The last reading of the node's servers alone."""
        return self._servers.last_reading

    async def leave(self, log: StepLog) -> None:
        """Drain: no new requests from now on, except those of pinned clients."""
        async with self._lock:
            await self._leaving.drain(log)
            await self._servers.send(self._twins.left(self._servers.last_reading), log)

    async def drained(self, log: StepLog) -> None:
        """Wait until all servers are idle and in maintenance. Raises StepFailure, ChangedByOthers."""
        async with self._lock:
            await self._leaving.finish(log)

    async def idle_connections(self, ports: Collection[int]) -> int:
        """How many connections to these ports of the node HAProxy keeps although it does not use them."""
        states = (await self._servers.read()).servers
        return sum(state.idle_connections for state in states if state.port in ports)

    async def still_out(self) -> bool:
        """Whether all servers are in maintenance and idle. Raises ChangedByOthers if a person is the
        reason."""
        states = (await self.read_unchanged(now=True)).servers
        return all(is_held(state) and state.idle for state in states)

    async def read_unchanged(self, *, now: bool = False, again: bool = False) -> Reading:
        """A fresh reading, as `NodeServers.read` gives it. Raises ChangedByOthers if somebody else changed a
        server."""
        async with self._lock:
            return await self._servers.read_unchanged(now=now, again=again)

    def application_may_be_down(self) -> None:
        """Note that the application is touched from now on: a new process is sent maintenance at once."""
        self._servers.stage = Stage.OUT

    async def guard(self, log: StepLog) -> None:
        """Tell each new process what the one before was told, until the node is back or a person puts it
        back. Raises nothing."""
        clock = asyncio.get_running_loop().time
        while self._servers.stage is not Stage.BACK:
            # A failure is tried again: an HAProxy that does not answer sends no requests either.
            with contextlib.suppress(RolloutError):
                due = clock() // _FULL_LOOK > self._servers.last_read // _FULL_LOOK
                if (due or await self._servers.is_replaced()) and await self._is_put_back(log):
                    return
            await asyncio.sleep(WATCH - clock() % WATCH)  # all guards at once: they share their looks

    async def _is_put_back(self, log: StepLog) -> bool:
        """Whether a person put the node back into rotation. A new process is told again: it is no person."""
        reading = await self._servers.read()
        if await self._tell_again(reading, log):
            return False
        await self._remove_twins_left_out(reading, log)
        return self._servers.stage is Stage.OUT and not all(s.admin.is_out for s in reading.servers)

    async def _remove_twins_left_out(self, reading: Reading, log: StepLog) -> None:
        """Remove the twins of a node that stays out, where they could not be removed as it failed."""
        async with self._lock:
            if self._servers.stage is Stage.OUT:
                await self._servers.send(self._twins.left(reading), log)

    async def _tell_again(self, reading: Reading, log: StepLog) -> bool:
        """Tell a process that was started meanwhile what it must know in this stage. False if it already
        knows."""
        async with self._lock:
            if self._servers.was_told(reading):
                return False
            match self._servers.stage:
                case Stage.DRAINING:
                    await self._leaving.drain(log)
                    await self._leaving.finish(log)
                case Stage.OUT:
                    await self._leaving.maintain(log)
                case Stage.PROVING:
                    await self._returning.check_again(reading, log)
                case Stage.BACK:
                    return False
            self._servers.note_told(reading)
            return True

    async def give_back(self, log: StepLog) -> None:
        """Put the servers back as they were before, except those that others have changed."""
        async with self._lock:
            self._servers.stage = Stage.BACK
            reading = await self._servers.read_ours()
            before = [*self._ledger.as_before(reading.servers), *self._twins.left(reading)]
            await self._servers.send(before, log)

    async def stay_out(self, log: StepLog) -> None:
        """Set the servers to maintenance, whatever they are doing, except those that others have changed."""
        async with self._lock:
            self._servers.stage = Stage.OUT
            await self._leaving.maintain(log)
            reading = await self._servers.read_ours()
            weights = [*self._ledger.lost_weights(reading.servers), *self._twins.left(reading)]
            await self._servers.send(weights, log)

    async def prove(self, log: StepLog) -> None:
        """Wait until HAProxy's own check of every server that has one has passed again; no traffic yet.

        Raises ChangedByOthers; StepFailure after the limit of `CheckTimes`, which starts over with each
        reload.
        """
        async with self._lock:
            await self._returning.begin(await self._servers.read_unchanged(), log)
        deadline = Deadline(self._check_times.timeout)
        while waiting := self._returning.unproven(reading := await self.read_unchanged()):
            balancer = self._servers.load_balancer
            log.progress(f"{balancer} has yet to check {_paths(waiting)}", of=balancer)
            if deadline.passed:
                limit = await self._check_times.first_check(reading, waiting)
                deadline.postpone(limit.seconds)
                if deadline.passed:
                    raise _not_proven(waiting, limit)
            if await self._tell_again(reading, log):
                deadline = Deadline(self._check_times.timeout)
                continue
            async with self._lock:
                await self._returning.go_on(reading, waiting, log)

    async def enter(self, log: StepLog, seen: Reading) -> None:
        """Put back what was in rotation before, and leave the rest as it was. `seen` was just read.

        Raises ChangedByOthers; StepFailure if HAProxy does not show what it was told.
        """
        while True:
            while not await self._entered(log, seen):
                await self.prove(log)
                seen = await self.read_unchanged()
            reading = await self._servers.read_ours()  # no lock: once it is back, the guard sends nothing
            wrong = [s for s in reading.servers if not self._returning.is_as_it_should_be(s)]
            if not wrong:
                break
            if self._servers.was_told(reading):
                raise StepFailure(f"{wrong[0].server} is not back in rotation: it shows {wrong[0].status}")
            seen = await self.read_unchanged()
        await self._servers.send(self._twins.left(reading), log)
        out = [state for state in reading.servers if self._ledger.is_kept_out(state.server)]
        back = [state for state in reading.servers if not self._ledger.is_kept_out(state.server)]
        for details in (
            [f"{state.server} stays out, as before: {state.status}" for state in out],
            [f"{s.server} stays DOWN: {self._returning.why_it_may(s)}" for s in back if not s.running],
            [f"someone else changed {server} as it came back" for server in sorted(self._ledger.changed)],
        ):
            if details:
                log.add(first_of(details))

    async def _entered(self, log: StepLog, seen: Reading) -> bool:
        """Put the node back. False if HAProxy was reloaded since `prove`: then everything must be proven
        again."""
        async with self._lock:
            if self._returning.unproven(seen):
                return False
            await self._returning.enter(seen, log)
            return True

    async def confirm(self, step: BeginStep) -> None:
        """Watch for HAProxy's own first checks of the servers that came back by the word of a twin.

        One that fails takes its server out of rotation, as `fall` of them would, in a `step` that begins for
        that. Raises Fallen then. A reload begins all checks anew, and ends the watch.
        """
        unconfirmed = self._returning.unconfirmed
        deadline = Deadline(unconfirmed.seconds)
        while not deadline.passed:
            with contextlib.suppress(LoadBalancerError):
                reading = await self._servers.read_ours()
                if not self._servers.was_told(reading):
                    return
                if failed := [s for s in reading.servers if _has_failed(s, unconfirmed.failed_checks)]:
                    async with step() as log:
                        with contextlib.suppress(LoadBalancerError):
                            await self._servers.send(self._returning.take_down(failed), log)
                        raise _not_confirmed(failed)
            await asyncio.sleep(_CONFIRM)

    async def warm_up(self, log: StepLog) -> None:
        """Raise the weights of what `enter` put back to what they were. Raises ChangedByOthers."""
        if self._warming is None:
            return
        await self._warm_up(self._warming, log)
        async with self._lock:
            reading = await self._servers.read_ours()
            agents = self._ledger.disabled_agents(reading.servers)
            await self._servers.send([*map(runtime.enable_agent, agents)], log)

    async def _warm_up(self, warming: Warming, log: StepLog) -> None:
        if light := [s.path for s in self._servers.all if self._ledger.has_no_steps(s)]:
            balancer = self._servers.load_balancer
            log.add(f"no warm-up of {first_of(light)} on {balancer}: there is no weight below 1")
        while warming.servers:
            async with self._lock:
                reading = await self._servers.read_unchanged(since="as it came back")
                await warming.go_on(reading, log)
                self._servers.note_told(reading)
            await asyncio.sleep(WATCH)


def _not_proven(waiting: list[ServerState], limit: Limit) -> StepFailure:
    shown = first_of([f"{state.server} shows {state.check_status or state.status}" for state in waiting])
    return StepFailure(
        f"HAProxy's own check did not pass within {limit.seconds:g} s: {shown}", hint=limit.hint
    )


def _has_failed(state: ServerState, before: Mapping[Server, int]) -> bool:
    """Whether a check of the server has failed since it came back."""
    return state.failed_checks > before.get(state.server, state.failed_checks)


def _not_confirmed(failed: list[ServerState]) -> Fallen:
    shown = first_of([f"{state.server} shows {state.check_status or state.status}" for state in failed])
    return Fallen(
        f"HAProxy's own check failed as soon as the node was back: {shown}",
        hint="a check on the same way had passed right before: look at the node's log",
    )


def _paths(states: list[ServerState]) -> str:
    return first_of([state.server.path for state in states])
