"""What ends or limits a deployment, with real HAProxy: the last server, halting, cancelling."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rollout.domain import Completed, Outcome
from rollout.errors import Refused
from rollout.events import DeploymentFinished, StepFailed
from tests.support.rolling import backend, rolling
from tests.support.until import until, until_seen
from tests.support.visitors import Visitor, crowd


@pytest.mark.parametrize("way", ["runtime", "page"])
async def test_the_last_server_is_not_taken(haproxy_binary: Path, way: str) -> None:
    """With a window of both nodes, the second one waits for the first, however they leave."""
    backends, drain = backend(2), {}
    if way == "page":
        # HAProxy takes its time to see a page: until then it shows both nodes in rotation.
        backends = {"shop": tuple(line.replace("50ms", "300ms") for line in backends["shop"])}
        requests = {
            "down": {"method": "PUT", "url": "http://{host}:8000/_drain"},
            "up": {"method": "DELETE", "url": "http://{host}:8000/_drain"},
        }
        drain = {"health_page": {"request": requests}}
    async with rolling(haproxy_binary, 2, backends=backends, strategy={"window": 2}, drain=drain) as it:
        async with crowd(it.here.balancers[0], "shop") as seen:
            first = it.hold("web1")
            running = asyncio.create_task(it.deployment.run())
            await until(lambda: it.restarting("web1"), "the first node's restart")
            assert it.drained_from() == ["web1", "web2"]
            assert (await it.status("web2")).startswith("UP")
            assert it.here.apps["web2"].pages["/_status"].status == 200
            first.set()
            assert await running is Outcome.DONE
        assert seen.lost == []
        assert it.finished() == ["web1", "web2"]


async def test_the_last_server_is_never_taken_after_a_failure(haproxy_binary: Path) -> None:
    """When the first of two nodes stays out, the second is not drained, although failures are allowed."""
    async with rolling(haproxy_binary, 2, strategy={"window": 2, "max_failures": 2, "patience": 0}) as it:
        it.fail("web1")
        assert await it.deployment.run() is Outcome.FAILED
        assert it.failed() == {"web1": True, "web2": False}
        assert (await it.status("web2")).startswith("UP")
        assert "last server that takes traffic" in it.here.told(StepFailed)[-1].reason
        assert not it.restarting("web2")


async def test_a_single_server_is_refused(haproxy_binary: Path) -> None:
    """A backend with one server is not deployed unless an outage is allowed."""
    with pytest.raises(Refused, match="last server that takes traffic in its backend"):
        async with rolling(haproxy_binary, 1):
            pass


async def test_halting(haproxy_binary: Path) -> None:
    """After `halt` the nodes in flight finish and serve, and no other one starts."""
    async with rolling(haproxy_binary, 4, strategy={"window": 2}) as it:
        one, two = it.hold("web1"), it.hold("web2")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1") and it.restarting("web2"), "the restarts")
        it.deployment.halt("enough")
        two.set()
        await until(lambda: it.finished() == ["web2"], "the second one")
        one.set()
        assert await running is Outcome.INTERRUPTED
        assert it.finished() == ["web2", "web1"]
        assert it.drained_from() == ["web1", "web2"]
        assert (await it.status("web1")).startswith("UP")
        assert it.here.told(DeploymentFinished)[-1].reason == "enough"


async def test_cancelling_a_drain_gives_the_node_back(haproxy_binary: Path) -> None:
    """Cancelled while a node drains: it serves again, untouched, and the request that it ran gets its 200."""
    async with rolling(haproxy_binary, 2, balancers=2) as it:
        app = it.here.apps["web1"]
        slow = [asyncio.create_task(Visitor(it.here.balancers[0], "shop").get("/hold")) for _ in range(2)]
        await until(lambda: app.running == 1, "the slow request")
        running = asyncio.create_task(it.deployment.run())

        async def drains() -> bool:
            return (await it.status("web1")) == "DRAIN"

        await until_seen(drains, "the drain")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        states = await it.here.states("web1")
        assert {name: state.status for name, state in states.items() if not state.in_rotation} == {}
        assert it.failed() == {"web1": False}
        assert app.starts == 1
        for each in it.here.apps.values():
            each.let_go()
        assert {status for status, _ in await asyncio.gather(*slow)} == {200}
        assert it.here.told(DeploymentFinished)[-1].outcome is Outcome.INTERRUPTED


async def test_cancelling_a_restart_leaves_the_node_out(haproxy_binary: Path) -> None:
    """Cancelled while an application is restarted: nobody knows how it is, so its node stays held."""
    async with rolling(haproxy_binary, 2, balancers=2) as it:
        it.hold("web1")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1"), "the restart")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await it.here.statuses("web1") == {"MAINT"}
        assert it.failed() == {"web1": True}
        assert it.here.told(StepFailed)[-1].unknown


async def test_a_reload_while_the_application_is_down_brings_no_request_to_it(haproxy_binary: Path) -> None:
    """The new process has forgotten the hold: it is held again at once, and then comes back as usual."""
    async with rolling(haproxy_binary, 2) as it:
        restart = it.hold("web1")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1"), "the first node's restart")
        await it.here.balancers[0].reload()

        async def held() -> bool:
            return await it.status("web1") == "MAINT"

        await until_seen(held, "the hold after the reload")
        restart.set()
        assert await running is Outcome.DONE
        assert it.finished() == ["web1", "web2"]


async def test_what_an_operator_sets_meanwhile_stays(haproxy_binary: Path) -> None:
    """A `ready` by hand while the release is put on the node ends its roll, and it stays in rotation."""
    release = {"command": "release"}
    async with rolling(haproxy_binary, 2, new_release="2", release=release) as it:

        async def put_back() -> Completed:
            await it.here.haproxies["lb1"].send(["set server shop/web1 state ready"])
            return Completed(0)

        it.hosts["web1"].actions["release"] = put_back
        assert await it.deployment.run() is Outcome.FAILED
        assert (await it.status("web1")).startswith("UP")
        assert not it.restarting("web1")
        assert it.failed() == {"web1": False}
        assert "someone else changed it" in it.here.told(StepFailed)[-1].reason
