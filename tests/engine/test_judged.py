"""Releases that are worse for users, behind real HAProxy: told by what it counts, and stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rollout.domain import Completed, Outcome, Verdict
from rollout.events import Halted, Judged, Paused, Served, StepFinished, WentOn
from tests.support.rolling import Rolling, rolling
from tests.support.until import until
from tests.support.visitors import crowd

pytestmark = pytest.mark.every_haproxy

BAKED: Any = {"canary": 1, "bake": "3s", "judge": {"min_requests": 50}}


def becomes(it: Rolling, node: str, **worse: Any) -> None:
    """Have the application of a node be another one after its restart."""

    async def restarts() -> Completed:
        for name, value in worse.items():
            setattr(it.here.apps[node], name, value)
        return await it.hosts[node].restart()

    it.hosts[node].actions["restart"] = restarts


def halted(it: Rolling) -> Halted:
    (told,) = it.here.told(Halted)
    return told


async def test_a_good_release_is_rolled(haproxy_binary: Path) -> None:
    """Every node is judged, and the end says what users saw of each release."""
    async with rolling(haproxy_binary, 3, new_release="2", strategy=BAKED) as it:
        async with crowd(it.here.balancers[0], "shop", pause=0.01) as seen:
            assert await it.deployment.run() is Outcome.DONE
        assert seen.lost == []
        baked = [event.detail for event in it.here.told(StepFinished) if event.step == "bake"]
        assert len(baked) == 3
        assert all(detail.startswith("0 errors of ") for detail in baked)
        verdicts = it.here.told(Judged)
        assert [(judged.nodes, judged.verdict) for judged in verdicts] == [
            (("web1",), Verdict.PASS),
            (("web2",), Verdict.PASS),
            (("web3",), Verdict.PASS),
            (("web2", "web3"), Verdict.PASS),
        ]
        assert all(judged.errors == 0 and judged.requests >= 50 for judged in verdicts)
        assert all(judged.others_requests > 0 and judged.others for judged in verdicts)
        served = {event.release: event for event in it.here.told(Served)}
        assert list(served) == ["the release before", "2"]
        assert sum(event.requests for event in served.values()) <= seen.total
        assert all(event.requests > 100 and event.errors == 0 for event in served.values())


async def test_a_release_that_answers_errors_is_stopped_at_the_canary(haproxy_binary: Path) -> None:
    """One in twenty, while its health page is green: it is out before the time to bake is over."""
    strategy = {**BAKED, "bake": "20s"}
    async with rolling(haproxy_binary, 4, new_release="2", strategy=strategy) as it:
        becomes(it, "web1", error_every=20)
        async with crowd(it.here.balancers[0], "shop", size=8, pause=0.01) as seen:
            assert await it.deployment.run() is Outcome.FAILED
            served = seen.total
            await until(lambda: seen.total > served + 200, "traffic after it")
        assert it.drained_from() == ["web1"]
        assert await it.status("web1") == "MAINT"
        assert halted(it).judged
        (judged,) = it.here.told(Judged)
        assert (judged.nodes, judged.verdict, judged.reason) == (("web1",), Verdict.FAIL, halted(it).reason)
        assert judged.errors > 0
        assert judged.others == "web2…web4 on the release before"
        assert "web1 on 2 answered" in halted(it).reason
        assert "where web2…web4 on the release before answered 0.0 % errors" in halted(it).reason
        assert len(seen.lost) < 0.02 * seen.total


async def test_a_release_that_is_slow_is_stopped_at_the_canary(haproxy_binary: Path) -> None:
    """Four times as slow as the others in the same seconds."""
    strategy = {**BAKED, "bake": "5s"}
    async with rolling(haproxy_binary, 4, new_release="2", strategy=strategy) as it:
        for app in it.here.apps.values():
            app.delay = 0.05
        becomes(it, "web1", delay=0.2)
        async with crowd(it.here.balancers[0], "shop", size=16) as seen:
            assert await it.deployment.run() is Outcome.FAILED
        assert seen.lost == []
        assert "ms to answer where web2…web4" in halted(it).reason


async def test_what_is_wrong_with_all_nodes_pauses(haproxy_binary: Path) -> None:
    """A database that is away in mid-deploy makes both releases fail: it is waited for, and nobody blamed."""
    async with rolling(haproxy_binary, 3, new_release="2", strategy=BAKED) as it:
        async with crowd(it.here.balancers[0], "shop", size=8, pause=0.01):
            running = asyncio.create_task(it.deployment.run())
            await until(lambda: "web1" in it.drained_from() and it.restarting("web1"), "the canary")
            for app in it.here.apps.values():
                app.error_every = 2
            await until(lambda: bool(it.here.told(Paused)), "the pause")
            assert it.drained_from() == ["web1"]
            for app in it.here.apps.values():
                app.error_every = 0
            assert await asyncio.wait_for(running, 60) is Outcome.DONE
        assert it.here.told(WentOn)
        assert it.here.told(Halted) == []


async def test_the_canary_waits_to_be_promoted(haproxy_binary: Path) -> None:
    """No other node starts before somebody says so."""
    strategy = {"canary": 1, "pause": "after-canary"}
    async with rolling(haproxy_binary, 3, strategy=strategy) as it:
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: bool(it.here.told(Paused)), "the pause")
        assert it.finished() == ["web1"]
        assert it.deployment.paused
        it.deployment.promote("bob on desk")
        assert await running is Outcome.DONE
        assert [event.reason for event in it.here.told(WentOn)] == ["bob on desk asked to continue"]
        assert it.finished() == ["web1", "web2", "web3"]


async def test_waves_follow_each_other(haproxy_binary: Path) -> None:
    """A wave begins when the one before is done; inside a wave the window slides."""
    strategy = {"canary": 1, "waves": ["50%", "100%"], "window": 3}
    async with rolling(haproxy_binary, 6, strategy=strategy) as it:
        held = it.hold("web2")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.finished() == ["web1", "web3"], "the second wave")
        assert set(it.drained_from()) == {"web1", "web2", "web3"}
        held.set()
        assert await running is Outcome.DONE
