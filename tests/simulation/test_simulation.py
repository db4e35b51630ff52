"""Thousands of deployments in virtual time, with anything breaking at any moment: nothing is lost.

What must hold is in `invariants.py` and `ending.py`, what breaks in `faults.py`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from tests.simulation.faults import AT_PLACE, EVENTS, KILLS, STRIKES, WITH_SEVERAL
from tests.simulation.loop import Deadlock, Spinning, run
from tests.simulation.many import total
from tests.simulation.scenario import nothing_breaks, simulate

_SEEDS = 300
"""Enough for every fault to strike. For more: `make simulate`."""


@pytest.mark.timeout(400)
def test_nothing_is_lost_whatever_breaks() -> None:
    """No seed breaks an invariant, though everything breaks in some, and deployments end in every way."""
    simulated = total(map(simulate, range(_SEEDS)))
    shown = "\n\n".join(str(result) for result in simulated.failures[:3])
    assert not simulated.failures, f"{len(simulated.failures)} seeds fail:\n{shown}"
    assert set(simulated.struck) == {*STRIKES, *EVENTS, *KILLS, *AT_PLACE, *WITH_SEVERAL}
    assert set(simulated.outcomes) >= {"done", "failed", "interrupted", "killed", "refused"}
    assert set(simulated.afterwards) >= {"resume: done", "restore: done"}
    beside = {
        after.split()[0] for after in simulated.afterwards if " on " in after and after.endswith(": done")
    }
    assert beside == {"deploy", "resume", "rollback", "restore", "ready", "drain"}
    assert simulated.outcomes["refused"] < simulated.deployments / 4
    assert simulated.requests > 50 * simulated.deployments


def test_where_nothing_breaks_everything_is_done() -> None:
    """Without a fault a deployment is done, unless it was refused for want of a second server."""
    simulated = total(simulate(seed, nothing_breaks, several=False) for seed in range(40))
    assert not simulated.failures, "\n\n".join(map(str, simulated.failures))
    assert simulated.outcomes["done"] > 36


def test_a_seed_replays_exactly() -> None:
    """In another process, whatever its string hashes are, everything happens again at the same moments."""
    seeds = range(20)
    code = (
        "from tests.simulation.scenario import simulate\n"
        f"for seed in {seeds}: print(simulate(seed, digest=True).digest)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    again = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert again.stdout.split() == [simulate(seed, digest=True).digest for seed in seeds]


def test_time_jumps_to_the_next_timer() -> None:
    """An hour of waiting takes no time, and timers fire in order."""

    async def wait() -> list[float]:
        loop, fired = asyncio.get_running_loop(), []
        for seconds in (3600.0, 0.25, 60.0):
            loop.call_later(seconds, lambda: fired.append(loop.time()))
        await asyncio.sleep(3600.0)
        return fired

    assert run(wait()) == [0.25, 60.0, 3600.0]


def test_a_deadlock_is_an_error() -> None:
    """Waiting for what nobody will ever do ends at once."""

    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run(wait())


def test_spinning_is_an_error() -> None:
    """So does going on without letting time pass."""

    async def spin() -> None:
        while True:  # noqa: ASYNC110 - it is to spin
            await asyncio.sleep(0)

    with pytest.raises(Spinning):
        run(spin())
