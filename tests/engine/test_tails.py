"""Releases whose slowest answers take longer, though not on average, behind real HAProxy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollout.domain import Completed, Outcome
from rollout.engine.checks.on_tails import tails_findings
from rollout.events import Halted, StepFinished, Warned
from tests.support.rolling import Rolling, rolling
from tests.support.until import until
from tests.support.visitors import crowd

LOGGED = ("log ring@requests local0", "option httplog")
RING = ("size 262144",)
BAKED: Any = {"canary": 1, "bake": "12s", "judge": {"min_requests": 50}}


def take_long(it: Rolling, *, slow_every: int) -> None:
    """Have all applications take 50 ms, and that of the canary ten times as long for some answers."""
    for app in it.here.apps.values():
        app.delay = 0.05

    async def restarts() -> Completed:
        it.here.apps["web1"].slow_every = slow_every
        return await it.hosts["web1"].restart()

    it.hosts["web1"].actions["restart"] = restarts


@pytest.mark.every_haproxy
async def test_a_release_with_slow_tails_is_stopped_at_the_canary(haproxy_binary: Path) -> None:
    """Three answers in a hundred take ten times as long; on average they take a quarter longer."""
    async with rolling(haproxy_binary, 4, new_release="2", strategy=BAKED, settings=LOGGED, ring=RING) as it:
        take_long(it, slow_every=33)
        async with crowd(it.here.balancers[0], "shop", size=24) as seen:
            await until(lambda: seen.total > 1000, "answers of the old release")
            assert await it.deployment.run() is Outcome.FAILED
        assert seen.lost == []
        assert it.drained_from() == ["web1"]
        (halted,) = it.here.told(Halted)
        assert halted.judged
        assert "web1 on 2 took over" in halted.reason
        assert "where web2…web4 on the release before took over" in halted.reason
        assert "; p99 " in halted.reason


async def test_without_a_ring_its_means_hide_it(haproxy_binary: Path) -> None:
    """The same release passes where HAProxy logs no requests to a ring: so it is the ring that shows it."""
    async with rolling(haproxy_binary, 2, new_release="2", strategy={**BAKED, "bake": "2s"}) as it:
        take_long(it, slow_every=33)
        (finding,) = await tails_findings(it.site)
        assert "HAProxy logs requests to no ring" in finding.text
        async with crowd(it.here.balancers[0], "shop", size=24):
            assert await it.deployment.run() is Outcome.DONE


async def test_a_good_release_passes_by_its_tails(haproxy_binary: Path) -> None:
    """Each node's bake ends with its p99 beside that of the others."""
    rolled: Any = {"new_release": "2", "strategy": {**BAKED, "bake": "3s"}}
    async with rolling(haproxy_binary, 2, **rolled, settings=LOGGED, ring=RING) as it:
        take_long(it, slow_every=0)
        async with crowd(it.here.balancers[0], "shop", size=24) as seen:
            await until(lambda: seen.total > 20, "lines in the ring")
            (finding,) = await tails_findings(it.site)
            assert finding.text == "the judge compares p95 and p99, too, by ring requests"
            assert await it.deployment.run() is Outcome.DONE
        baked = [event.detail for event in it.here.told(StepFinished) if event.step == "bake"]
        assert len(baked) == 2
        assert all(", p99 " in detail and "s against " in detail for detail in baked), baked


async def test_a_log_that_cannot_be_read_is_told_once(haproxy_binary: Path) -> None:
    """The ring has lines in a format of its own: the deployment goes on, and says what it cannot judge."""
    settings = ("log ring@requests local0", 'log-format "%b %s %Tr"')
    strategy = {"canary": 1, "bake": "1s", "judge": {"min_requests": 20}}
    async with rolling(haproxy_binary, 3, strategy=strategy, settings=settings, ring=()) as it:
        async with crowd(it.here.balancers[0], "shop", size=4, pause=0.01) as seen:
            await until(lambda: seen.total > 20, "lines in the ring")
            (finding,) = await tails_findings(it.site)
            assert finding.text.startswith("ring requests has a format that rollout cannot read")
            assert await it.deployment.run() is Outcome.DONE
        (warned,) = it.here.told(Warned)
        assert warned.message == f"lb1: {finding.text}"
