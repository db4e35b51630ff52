"""HAProxy processes from before a reload that may still run requests on a node, unseen by any reading.

Without a `master:` socket only the new process answers, and it does not know these requests. The node does:
it has connections that the new process does not keep open, and that may carry a request. They matter while
the new process is younger than `drain.timeout`: after that, the old one has had as much time as any drain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from rollout.deadline import slept
from rollout.decisions.conversations import Conversations
from rollout.domain import Reading
from rollout.engine.context import NodeContext
from rollout.engine.log import StepLog
from rollout.engine.rotation.connections import connections
from rollout.engine.waiting import run_all
from rollout.errors import HostError
from rollout.ports import Host

_LOOK = 10.0
"""Seconds for the shell line on a load balancer's machine."""
_NONE_LIVES = """
words() {{ tr '\\0' '\\n' <"/proc/$1/cmdline"; }} 2>/dev/null
words {pid} | grep -q haproxy || exit 2
for old in $(words {pid} | awk '/^-s[ft]$/ {{ old = 1; next }} !/^[0-9]+$/ {{ old = 0 }} old'); do
  ! words "$old" | grep -q haproxy || exit 1
done
"""
"""Exits with 0 if all processes are gone that HAProxy was started to take over from (`-sf`, `-st`)."""


_Process = tuple[str, tuple[int, int]]
"""A load balancer's name, and the process that answers there, as in `Reading.process`."""


class OldProcesses:
    """The predecessors of the HAProxy processes that serve one node. `hosts` are their machines, by the load
    balancer's name."""

    def __init__(self, context: NodeContext, hosts: Mapping[str, Host]) -> None:
        self._context = context
        self._hosts = hosts
        self._young: set[_Process] = set()
        """The processes that have been seen younger than `drain.timeout`."""
        self._cleared: set[_Process] = set()
        """The processes whose predecessors run nothing on the node any more."""
        self._conversations: dict[int, Conversations] = {}
        """What was said on the node's connections, by port."""

    async def ports(self, readings: Sequence[Reading]) -> frozenset[int]:
        """The ports of the node on which old processes may run something.

        `readings` are the last ones of the load balancers, of the node's servers alone.
        """
        timeout = self._context.inventory.drain.timeout
        self._young.update(_process(reading) for reading in readings if reading.uptime <= timeout)
        doubtful = self._young - self._cleared
        young = [r for r in readings if not r.old_processes_shown and _process(r) in doubtful]
        alive = await run_all(self._may_live(reading) for reading in young)
        return frozenset(
            state.port
            for reading, may_live in zip(young, alive, strict=True)
            for state in reading.servers
            if may_live and state.port
        )

    async def connections(self, ports: Iterable[int], log: StepLog) -> tuple[int, list[str]]:
        """How many connections to these ports the node has, and a line for each that may carry a request.

        Raises StepFailure, HostError.
        """
        now = asyncio.get_running_loop().time() + slept()
        total = 0
        busy: list[str] = []
        for port in sorted(ports):
            to_port = await connections(self._context, port)
            of_requests = self._conversations.setdefault(port, Conversations()).look(to_port, now)
            log.sessions(f"port {port}", len(of_requests))
            total += len(to_port)
            busy += [connection.shown for connection in of_requests]
        return total, busy

    def clear(self, readings: Sequence[Reading]) -> None:
        """Note that the predecessors of these processes run nothing on the node any more, and never will."""
        self._cleared.update(map(_process, readings))

    async def _may_live(self, reading: Reading) -> bool:
        """Whether a predecessor may live; true where the machine cannot tell, as with containers."""
        host = self._hosts.get(reading.load_balancer)
        if host is None:
            return True
        try:
            completed = await host.run(_NONE_LIVES.format(pid=reading.pid), environment={}, timeout=_LOOK)
        except HostError:
            return True
        return completed.status != 0


def _process(reading: Reading) -> _Process:
    return reading.load_balancer, reading.process
