"""What it costs to ask nodes that are starting: 20 and 100 at once, at ports on which nobody listens yet.

`python -m benchmarks.starting`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from benchmarks.measuring import tell
from rollout.adapters.http import HttpxClient
from rollout.adapters.local import LocalHost
from rollout.domain import Step
from rollout.engine.claim import Claim
from rollout.engine.context import NodeContext
from rollout.engine.health_page import prove_healthy
from rollout.engine.log import StepLog
from rollout.errors import RequestFailed, StepFailure
from rollout.inventory.health import Health
from tests.support.loopback import own_address
from tests.support.states import inventory

_SECONDS = 5.0
_TICK = 0.01


async def ask(nodes: int) -> tuple[float, float]:
    """The share of a core that asking takes, and by how many seconds the loop is late at most."""
    client, here = HttpxClient(), LocalHost("here")
    health = Health.model_validate({"http": "http://{host}:8000/", "timeout": f"{_SECONDS:g}s"})

    async def prove(number: int) -> None:
        name = f"web{number}"
        context = NodeContext(
            name=name,
            inventory=inventory(nodes={name: {"host": own_address()}}),
            release=None,
            host=here,
            http=client,
            environment={},
            here=here,
            public=client,
            claim=Claim(here, name, "a benchmark"),
        )
        await asyncio.sleep(number / nodes)  # no restarts end at the very same moment
        await prove_healthy(context, health, StepLog(lambda event: None, name, Step.VERIFY))

    with contextlib.suppress(RequestFailed):
        await client.request("GET", f"http://{own_address()}:8000/", timeout=1)  # imports what it needs
    late, begin, processor = 0.0, time.perf_counter(), time.process_time()
    asking = asyncio.gather(*map(prove, range(nodes)), return_exceptions=True)
    while not asking.done():
        before = time.perf_counter()
        await asyncio.sleep(_TICK)
        late = max(late, time.perf_counter() - before - _TICK)
    assert all(isinstance(each, StepFailure) for each in asking.result())
    await client.aclose()
    return (time.process_time() - processor) / (time.perf_counter() - begin), late


def main() -> None:
    for nodes in (20, 100):
        share, late = asyncio.run(ask(nodes))
        print(f"{nodes} nodes that start at once")
        tell("of a core, a node", f"{100 * share / nodes:.2f} %", "at most 0.5 %")
        tell("the loop is late by at most", f"{1000 * late:.0f} ms", "at most 20 ms")


if __name__ == "__main__":
    main()
