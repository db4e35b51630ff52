"""What a process of before a reload still runs on a node, where no `master:` socket tells.

The process of now does not know it. The node does: it has connections that the process of now does not keep
open. Looked at only while HAProxy is young: what its predecessor has not finished in the time that a drain
gives was given that time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rollout.domain import Reading
from rollout.engine.context import NodeContext
from rollout.engine.log import StepLog
from rollout.engine.rotation.connections import connections
from rollout.engine.waiting import together
from rollout.errors import HostError
from rollout.ports import Host

_LOOK = 10.0
"""Seconds for one look at a load balancer's machine."""
_NONE_LIVES = """
words() {{ tr '\\0' '\\n' <"/proc/$1/cmdline"; }} 2>/dev/null
words {pid} | grep -q haproxy || exit 2
for old in $(words {pid} | awk '/^-s[ft]$/ {{ old = 1; next }} !/^[0-9]+$/ {{ old = 0 }} old'); do
  ! words "$old" | grep -q haproxy || exit 1
done
"""
"""Exits with 0 if all processes are gone from which HAProxy was told to take over (`-sf`, `-st`)."""


class OldProcesses:
    """Those before the processes that now serve one node. `hosts` are the load balancers' machines."""

    def __init__(self, context: NodeContext, hosts: Mapping[str, Host]) -> None:
        self._context = context
        self._hosts = hosts
        self._young: set[tuple[str, tuple[int, int]]] = set()
        self._cleared: set[tuple[str, tuple[int, int]]] = set()

    async def ports(self, seen: Sequence[Reading]) -> frozenset[int]:
        """Those of the node on which they may run something, judged from readings of its servers alone."""
        timeout = self._context.inventory.drain.timeout
        self._young.update(_process(reading) for reading in seen if reading.uptime <= timeout)
        doubtful = self._young - self._cleared
        young = [r for r in seen if not r.old_processes_shown and _process(r) in doubtful]
        lives = await together(self._may_live(reading) for reading in young)
        return frozenset(
            state.port
            for reading, may in zip(young, lives, strict=True)
            for state in reading.servers
            if may and state.port
        )

    async def connections(self, ports: Iterable[int], log: StepLog) -> list[str]:
        """A line for each connection to these ports. Raises StepFailure, HostError."""
        found: list[str] = []
        for port in sorted(ports):
            here = await connections(self._context, port)
            log.sessions(f"port {port}", len(here))
            found += here
        return found

    def clear(self, seen: Sequence[Reading]) -> None:
        """The predecessors of these processes run nothing on the node any more, and never will."""
        self._cleared.update(map(_process, seen))

    async def _may_live(self, reading: Reading) -> bool:
        """Whether one before this process lives; true where its machine cannot tell, as with containers."""
        host = self._hosts.get(reading.load_balancer)
        if host is None:
            return True
        try:
            seen = await host.run(_NONE_LIVES.format(pid=reading.pid), environment={}, timeout=_LOOK)
        except HostError:
            return True
        return seen.status != 0


def _process(reading: Reading) -> tuple[str, tuple[int, int]]:
    return reading.load_balancer, reading.process
