"""Whole deployments through real HAProxy: the window, failures, halting and cancelling."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rollout.domain import Completed, Outcome, Step
from rollout.events import DeploymentFinished, Halted, StepFailed
from tests.support.rolling import rolling
from tests.support.until import until
from tests.support.visitors import crowd

pytestmark = pytest.mark.every_haproxy

FETCHED: Any = {"prepare": {"command": "fetch"}, "release": {"command": "install"}}


async def test_nothing_is_lost(haproxy_binary: Path) -> None:
    """Through two load balancers, under traffic, all nodes are restarted and no request is lost."""
    async with rolling(haproxy_binary, 3, balancers=2) as it, crowd(it.here.balancers[0], "shop") as one:
        async with crowd(it.here.balancers[1], "shop", target="/?delay=0.02") as two:
            assert await it.deployment.run() is Outcome.DONE
            served = one.total
            await until(lambda: one.total > served + 20, "traffic after it")
        assert one.lost + two.lost == []
        for app in it.here.apps.values():
            assert (app.starts, app.cut, app.early) == (2, 0, [])
        assert it.finished() == ["web1", "web2", "web3"]
        assert it.here.told(DeploymentFinished)[-1].outcome is Outcome.DONE


async def test_the_window_slides(haproxy_binary: Path) -> None:
    """With a window of 2, the third node starts as soon as one of the first two is done; never are 3 out."""
    async with rolling(haproxy_binary, 5, strategy={"window": 2}) as it:
        held = it.hold("web1")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.finished() == ["web2", "web3", "web4", "web5"], "the others")
        assert it.restarting("web1")
        assert not running.done()
        held.set()
        assert await running is Outcome.DONE
        assert it.most_out() == 2


async def test_one_at_a_time(haproxy_binary: Path) -> None:
    """Without a window, a node starts only when the one before is done."""
    async with rolling(haproxy_binary, 3) as it:
        assert await it.deployment.run() is Outcome.DONE
        assert it.most_out() == 1
        assert it.drained_from() == it.finished() == ["web1", "web2", "web3"]


async def test_a_failure_halts(haproxy_binary: Path) -> None:
    """A node that fails stays out, nodes in flight finish, no other one starts, no request is lost."""
    async with rolling(haproxy_binary, 4, strategy={"window": 2}) as it:
        async with crowd(it.here.balancers[0], "shop") as seen:
            it.fail("web1")
            held = it.hold("web2")
            running = asyncio.create_task(it.deployment.run())
            await until(lambda: it.failed() == {"web1": True}, "the failure")
            await until(lambda: it.restarting("web2"), "the other one's restart")
            held.set()
            assert await running is Outcome.FAILED
        assert seen.lost == []
        assert it.finished() == ["web2"]
        assert it.drained_from() == ["web1", "web2"]
        assert await it.status("web1") == "MAINT"
        assert (await it.status("web2")).startswith("UP")
        failed = it.here.told(StepFailed)[0]
        assert (failed.node, failed.step, failed.tail) == ("web1", Step.RESTART, ("no", "such", "thing"))
        assert [event.reason for event in it.here.told(Halted)] == ["web1 failed"]


async def test_failures_that_are_allowed(haproxy_binary: Path) -> None:
    """With `max_failures: 1` the first failure stays out and the others are rolled; the second one halts."""
    async with rolling(haproxy_binary, 5, strategy={"max_failures": 1}) as it:
        it.fail("web1")
        it.fail("web3")
        assert await it.deployment.run() is Outcome.FAILED
        assert it.finished() == ["web2"]
        assert it.failed() == {"web1": True, "web3": True}
        assert it.drained_from() == ["web1", "web2", "web3"]


async def test_a_failed_node_takes_a_place(haproxy_binary: Path) -> None:
    """A node that failed and stays out counts in the window: with 2, only one more is out at a time."""
    async with rolling(haproxy_binary, 5, strategy={"max_failures": 1, "window": 2}) as it:
        it.fail("web1")
        held = it.hold("web2")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.failed() == {"web1": True} and it.restarting("web2"), "the failure")
        held.set()
        it.here.events.clear()
        assert await running is Outcome.FAILED
        assert it.finished() == ["web2", "web3", "web4", "web5"]
        assert it.most_out() == 1


async def test_an_application_that_never_comes_up(haproxy_binary: Path) -> None:
    """A node that is ill after its restart stays out on every load balancer; no request reaches it."""
    health = {"http": "http://{host}:8000/_status", "interval": "10ms", "timeout": "1s"}
    async with rolling(haproxy_binary, 2, balancers=2, health=health) as it:
        async with crowd(it.here.balancers[0], "shop") as seen:
            app = it.here.apps["web1"]

            async def restarts_ill() -> Completed:
                app.up = False
                app.pages["/_status"].status = 500
                return await it.hosts["web1"].restart()

            it.hosts["web1"].actions["restart"] = restarts_ill
            assert await it.deployment.run() is Outcome.FAILED
            served = seen.total
            await until(lambda: seen.total > served + 20, "traffic after it")
        assert seen.lost == []
        assert app.early == []
        assert await it.here.statuses("web1") == {"MAINT"}
        assert it.here.told(StepFailed)[0].step is Step.VERIFY
        assert "answered 500" in it.here.told(StepFailed)[0].reason


async def test_the_canary_goes_first(haproxy_binary: Path) -> None:
    """The canary is done before another node starts, whatever the window; if it fails, none does."""
    async with rolling(haproxy_binary, 4, strategy={"canary": 1, "window": 3, "max_failures": 2}) as it:
        held = it.hold("web1")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1"), "the canary's restart")
        assert it.drained_from() == ["web1"]
        held.set()
        assert await running is Outcome.DONE
        assert it.most_out() > 1
    async with rolling(haproxy_binary, 4, strategy={"canary": 1, "window": 3, "max_failures": 2}) as it:
        it.fail("web1")
        assert await it.deployment.run() is Outcome.FAILED
        assert it.drained_from() == ["web1"]
        assert it.here.told(Halted)[0].reason == "the canary web1 failed"


async def test_a_failed_prepare_touches_nothing(haproxy_binary: Path) -> None:
    """When `prepare` fails on one node, none is drained and none is restarted."""
    async with rolling(haproxy_binary, 3, new_release="2", **FETCHED) as it:
        it.fail("web2", "fetch")
        assert await it.deployment.run() is Outcome.FAILED
        assert it.drained_from() == []
        assert it.failed() == {"web2": False}
        assert {line for host in it.hosts.values() for line in host.lines} == {"fetch"}
        for node in it.hosts:
            assert await it.status(node) == "UP"


async def test_a_release_is_installed_while_drained(haproxy_binary: Path) -> None:
    """`prepare` runs everywhere first; `release` runs in maintenance and before the restart."""
    async with rolling(haproxy_binary, 2, new_release="2", **FETCHED) as it:
        seen = []

        async def install() -> Completed:
            assert all(host.lines[0] == "fetch" for host in it.hosts.values())
            seen.append({await it.status(node) for node in it.hosts})
            return Completed(0)

        for host in it.hosts.values():
            host.actions["install"] = install
        assert await it.deployment.run() is Outcome.DONE
        assert [sorted(status[:5] for status in statuses) for statuses in seen] == [["MAINT", "UP"]] * 2
        assert it.hosts["web1"].lines == ["fetch", "install", "restart"]
