"""What a step of a node costs among 1,000 and among 10,000 nodes: of the processor's time, and of memory.

`python -m benchmarks.simulated [NODES…]`; some minutes. Deployments in virtual time, each in a process of its
own: rollout's engine and its log, a hundred nodes at a time, with HAProxy, machines and pages in memory.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

from benchmarks.measuring import tell
from rollout.cli.first_events import deployment_started
from rollout.domain import Outcome
from rollout.engine.checks.preflight import make_plan
from rollout.engine.deployment import Deployment
from rollout.events import Event, Record, StepFinished
from rollout.inventory import Inventory
from rollout.views.plain import PlainView
from tests.simulation.loop import run
from tests.support.in_memory import site_in_memory
from tests.support.states import inventory

SIZES = (1000, 10_000)
WINDOW = 100


def main() -> None:
    if sys.argv[1:2] == ["measure"]:
        print(*run(measured(int(sys.argv[2]))))
        return
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    costs = {size: _in_a_process(size) for size in sizes}
    for size, (milliseconds, megabytes) in costs.items():
        tell(f"{size:,} nodes, a step of a node", f"{milliseconds:.1f} ms", "at most 2 ms")
        tell(f"{size:,} nodes, memory", f"{megabytes:.0f} MB", "at most 300 MB")
    few, *_, many = sizes
    tell(f"{many:,} / {few:,} nodes", f"{costs[many][0] / costs[few][0]:.1f}", "at most 1.3")


def _in_a_process(size: int) -> tuple[float, float]:
    """Milliseconds of the processor's time for a step of a node, and megabytes at most."""
    command = [sys.executable, "-m", "benchmarks.simulated", "measure", str(size)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    milliseconds, megabytes = map(float, printed.split())
    return milliseconds, megabytes


def fleet(nodes: int) -> Inventory:
    return inventory(
        nodes={f"web{n}": {"host": f"10.0.{n // 200}.{n % 200 + 1}"} for n in range(nodes)},
        strategy={"window": WINDOW, "min_ready": "50%"},
        health={"http": "http://{host}/_status", "interval": "100ms"},
        restart={"command": "restart"},
    )


async def measured(nodes: int) -> tuple[float, float]:
    """One deployment, from its first event to its last."""
    site = site_in_memory(fleet(nodes), 1)
    plan, seen = await make_plan(site, list(site.inventory.nodes), None, ours={})
    steps, sequence = 0, count(1)
    with Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230 (nothing is waited for there)
        view = PlainView(nowhere)

        def record(event: Event) -> None:
            nonlocal steps
            steps += isinstance(event, StepFinished)
            view.show(Record(1, next(sequence), 0.0, event))

        for event in deployment_started(site.inventory, plan, seen, {}):
            record(event)
        begun = time.process_time()
        outcome = await Deployment(site, plan, 1, {}, record, allow_outage=False).run()
        seconds = time.process_time() - begun
    if outcome is not Outcome.DONE:
        raise SystemExit(f"the deployment of {nodes} nodes is {outcome}")
    return 1000 * seconds / steps, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
