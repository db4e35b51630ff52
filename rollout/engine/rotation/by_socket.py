"""Leaving and coming back by the runtime sockets of all load balancers.

The order of commands never lets HAProxy send a request to a node that is not up:
drain, wait for zero, maintenance (which also keeps pinned clients away), and back by way of
drained-and-DOWN, so that only a fresh check of HAProxy's own makes a server eligible again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from rollout.domain import Server, ServerBefore
from rollout.engine.log import StepLog
from rollout.engine.rotation.ledger import Ledger
from rollout.engine.rotation.old_processes import OldProcesses
from rollout.engine.rotation.on_one_balancer import WATCH, BalancerRotation
from rollout.engine.rotation.state_file import StateFile
from rollout.engine.waiting import each, together
from rollout.errors import StepFailure
from rollout.inventory.drain import Drain
from rollout.inventory.warmup import Warmup
from rollout.ports import LoadBalancer


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
        old_processes: OldProcesses,
        state_files: Mapping[str, StateFile],
        before: Mapping[Server, ServerBefore] | None = None,
        *,
        taken_up: bool = False,
        warmup: Warmup | None = None,
    ) -> None:
        self._drain = drain
        self._old = old_processes
        self._ways = [
            BalancerRotation(
                load_balancers[name],
                own,
                drain,
                rejoin_timeout,
                patience,
                state_files[name],
                Ledger(before or {}, taken_up=taken_up),
                warmup,
            )
            for name, own in servers.items()
        ]

    @property
    def given_up(self) -> bool:
        return bool(self._ways) and all(way.given_up for way in self._ways)

    async def leave(self, log: StepLog) -> None:
        await together(way.leave(log) for way in self._ways)

    async def drained(self, log: StepLog) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._drain.timeout
        while True:
            await together(way.drained(log) for way in self._ways)
            left = await self._unseen(log)
            if left and clock() < deadline:
                await asyncio.sleep(WATCH)
            elif left and self._drain.on_timeout == "abort":
                raise _still_connected(left, self._drain.timeout)
            else:
                break
        if left:
            log.add(f"{_count(left)} of before a reload given up")
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
        # Where others changed one server, none of the node's comes back.
        await together(way.unchanged() for way in self._ways)
        await together(way.enter(log) for way in self._ways)

    async def warm_up(self, log: StepLog) -> None:
        await together(way.warm_up(log) for way in self._ways)

    async def hold(self, log: StepLog) -> None:
        await each(way.hold(log) for way in self._ways)


def _count(connections: Sequence[str]) -> str:
    return f"{len(connections)} connection{'' if len(connections) == 1 else 's'}"


def _still_connected(connections: Sequence[str], timeout: float) -> StepFailure:
    return StepFailure(
        f"not drained within {timeout:g} s: HAProxy was started a moment ago, and the node still has "
        f"{_count(connections)} that may be of the process before it",
        hint="wait, or let `master:` of the load balancer tell what that process still does",
        tail=tuple(connections),
    )
