"""Leaving and coming back by the runtime sockets of all load balancers.

The order of commands never lets HAProxy send a request to a node that is not up:
drain, wait for zero, maintenance (which also keeps pinned clients away), and back by way of
drained-and-DOWN, so that only a fresh check of HAProxy's own makes a server eligible again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from rollout.deadline import Deadline
from rollout.domain import Reading
from rollout.engine.log import BeginStep, StepLog
from rollout.engine.rotation.check_times import CheckTimes
from rollout.engine.rotation.connections import counted_connections
from rollout.engine.rotation.node_servers import NodeServers
from rollout.engine.rotation.old_processes import OldProcesses
from rollout.engine.rotation.on_one_balancer import WATCH, BalancerRotation
from rollout.engine.rotation.twins import TwinPaths
from rollout.engine.waiting import finish_all, run_all
from rollout.errors import StepFailure
from rollout.inventory.drain import Drain
from rollout.inventory.warmup import Warmup


class SocketRotation:
    """Implements `Rotation` by the runtime sockets of all load balancers, one `BalancerRotation` for each."""

    def __init__(
        self,
        servers: Sequence[NodeServers],
        old_processes: OldProcesses,
        drain: Drain,
        check_times: CheckTimes,
        warmup: Warmup | None,
        twin_paths: Mapping[str, TwinPaths],
    ) -> None:
        """`twin_paths` are by the load balancer's name."""
        self._drain = drain
        self._old_processes = old_processes
        self._rotations = [
            BalancerRotation(own, drain, check_times, warmup, twin_paths[own.load_balancer])
            for own in servers
        ]

    @property
    def _present(self) -> list[BalancerRotation]:
        """The rotations on those load balancers that have the node now."""
        return [rotation for rotation in self._rotations if rotation.has_servers]

    @property
    def given_up(self) -> bool:
        return bool(self._present) and all(rotation.given_up for rotation in self._present)

    @property
    def forgotten_by(self) -> Mapping[str, str]:
        reasons = {rotation.load_balancer: rotation.why_forgotten for rotation in self._present}
        return {name: why for name, why in reasons.items() if why}

    async def leave(self, log: StepLog) -> None:
        await run_all(rotation.leave(log) for rotation in self._rotations)

    async def drained(self, log: StepLog) -> None:
        deadline = Deadline(self._drain.timeout)
        while True:
            await run_all(rotation.drained(log) for rotation in self._rotations)
            left = await self._hidden_connections(log)
            if left and not deadline.passed:
                await asyncio.sleep(WATCH)
            elif left and self._drain.on_timeout == "abort":
                raise _still_connected(left, self._drain.timeout)
            else:
                break
        if left:
            log.add(f"gave up on {counted_connections(left)} from before a reload")
            log.warn(
                f"the restart ends {counted_connections(left)} from before a reload: {'; '.join(left[:3])}"
            )
        self._old_processes.clear(self._readings())

    def _readings(self) -> list[Reading]:
        """The last readings of those load balancers that have the node."""
        return [rotation.last_reading for rotation in self._present]

    async def _hidden_connections(self, log: StepLog) -> list[str]:
        """The node's connections, if some may belong to old processes, whose sessions no reading shows."""
        ports = await self._old_processes.ports(self._readings())
        total, busy = await self._old_processes.connections(ports, log)
        if not busy:
            return []
        # Read after the connections were counted: no new ones are made, so as many of them are idle.
        idle = sum(await run_all(rotation.idle_connections(ports) for rotation in self._rotations))
        return busy if total > idle else []

    async def still_out(self, log: StepLog) -> None:
        out = await run_all(rotation.still_out() for rotation in self._rotations)
        if not all(out) or await self._hidden_connections(log):
            # HAProxy was reloaded: it forgets what was set by the socket. Or a request came after all.
            await self.leave(log)
            await self.drained(log)
        for rotation in self._rotations:
            rotation.application_may_be_down()

    async def guard(self, log: StepLog) -> None:
        await run_all(rotation.guard(log) for rotation in self._rotations)

    async def give_back(self, log: StepLog) -> None:
        await finish_all(rotation.give_back(log) for rotation in self._rotations)

    async def prove(self, log: StepLog) -> None:
        await run_all(rotation.prove(log) for rotation in self._rotations)

    async def enter(self, log: StepLog) -> None:
        # Where others changed one server, none of the node's servers comes back.
        seen = await run_all(rotation.read_unchanged(again=True) for rotation in self._rotations)
        await run_all(
            rotation.enter(log, reading) for rotation, reading in zip(self._rotations, seen, strict=True)
        )

    async def confirm(self, step: BeginStep) -> None:
        await run_all(rotation.confirm(step) for rotation in self._rotations)

    async def warm_up(self, log: StepLog) -> None:
        await run_all(rotation.warm_up(log) for rotation in self._rotations)

    async def stay_out(self, log: StepLog) -> None:
        await finish_all(rotation.stay_out(log) for rotation in self._rotations)


def _still_connected(connections: Sequence[str], timeout: float) -> StepFailure:
    return StepFailure(
        f"not drained within {timeout:g} s: HAProxy was started a moment ago, and the node still has "
        f"{counted_connections(connections)} that may belong to the process before it",
        hint="wait, or set `master:` for the load balancer: then rollout sees that process's sessions",
        tail=tuple(connections),
    )
