"""What a watch of users keeps in memory: a quarter of an hour among 1,000 servers that all answer requests.

`python -m benchmarks.watching [SERVERS]`; a few minutes. The watch and its looks are those of a deployment
whose bakes are judged, in virtual time.
"""

from __future__ import annotations

import asyncio
import sys
import tracemalloc
from dataclasses import replace
from typing import cast

from benchmarks.measuring import tell
from rollout.domain import Counters, Reading, ServerState
from rollout.engine.users.watch import Watch
from rollout.ports import LoadBalancer
from tests.simulation.loop import run
from tests.support.states import reading, state


class Busy:
    """A load balancer whose servers have all answered ten more requests at each look."""

    name = "lb1"

    def __init__(self, servers: int) -> None:
        self._states: list[ServerState] = [state(f"shop/web{number}") for number in range(servers)]

    def recent(self, since: float = 0.0) -> Reading | None:
        return None

    async def read(self) -> Reading:
        ten = Counters(requests=1000)
        self._states = [replace(each, counters=each.counters + ten, mean=7) for each in self._states]
        return reading(*self._states)


async def main(servers: int) -> None:
    watch = Watch([cast(LoadBalancer, Busy(servers))])
    await watch.look()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    watching = asyncio.create_task(watch.run())
    for minutes in (5, 10, 15):
        await asyncio.sleep(300)
        now, _ = tracemalloc.get_traced_memory()
        target = "at most 30 MB" if minutes == 15 else ""
        tell(f"{servers:,} servers, after {minutes} minutes", f"{(now - before) / 1e6:.1f} MB", target)
    watching.cancel()


if __name__ == "__main__":
    run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
