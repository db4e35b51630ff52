"""What an operator changes during a deployment is noticed in every step of the node, and stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rollout.domain import AdminState, Completed, Outcome, Step
from rollout.events import StepFailed
from tests.support.rolling import Rolling, rolling
from tests.support.until import until, until_seen
from tests.support.visitors import Visitor

READY, DRAIN, MAINT = AdminState.READY, AdminState.FORCED_DRAIN, AdminState.FORCED_MAINT
BACKENDS = {
    "shop": (
        "option httpchk GET /_check",
        "default-server check inter 50ms rise 2 fall 2 weight 10",
        "server web1 {web1}",
        "server web2 {web2}",
    )
}
CHANGES = {
    "ready": ("state ready", lambda admin: (READY, 10)),
    "drain": ("state drain", lambda admin: (DRAIN, 10)),
    "maint": ("state maint", lambda admin: (MAINT, 10)),
    "weight": ("weight 3", lambda admin: (admin, 3)),
}
RELEASE = {"command": "release"}


async def change(it: Rolling, how: str) -> None:
    await it.here.haproxies["lb1"].send([f"set server shop/web1 {CHANGES[how][0]}"])


async def until_ended(it: Rolling, running: asyncio.Task[Outcome], step: Step) -> None:
    """The deployment failed at `step`, and says what is shown of which server."""
    assert await running is Outcome.FAILED
    failed = it.here.told(StepFailed)[-1]
    assert (failed.node, failed.step) == ("web1", step)
    assert "someone else changed it while it was out: shop/web1 on lb1 shows " in failed.reason
    assert not it.restarting("web2")


@pytest.mark.parametrize("how", ["ready", "maint", "weight"])
async def test_while_it_drains(haproxy_binary: Path, how: str) -> None:
    """It goes back into rotation on the other load balancer; the application is not touched."""
    async with rolling(haproxy_binary, 2, backends=BACKENDS, balancers=2) as it:
        slow = [asyncio.create_task(Visitor(it.here.balancers[0], "shop").get("/hold")) for _ in range(2)]
        await until(lambda: it.here.apps["web1"].running == 1, "the slow request")
        running = asyncio.create_task(it.deployment.run())

        async def drains() -> bool:
            return await it.admin("web1") == {"lb1": (DRAIN, 10), "lb2": (MAINT, 10)}

        await until_seen(drains, "the drain")
        await change(it, how)
        await until_ended(it, running, Step.DRAIN)
        # Of a weight that was changed, the state is still ours, and is given back.
        assert await it.admin("web1") == {"lb1": CHANGES[how][1](READY), "lb2": (READY, 10)}
        assert it.failed() == {"web1": False}
        assert not it.restarting("web1")
        for app in it.here.apps.values():
            app.let_go()
        assert {status for status, _ in await asyncio.gather(*slow)} == {200}


@pytest.mark.parametrize("how", ["ready", "drain", "weight"])
@pytest.mark.parametrize("balancers", [1, 2])
async def test_while_its_release_is_installed(haproxy_binary: Path, how: str, balancers: int) -> None:
    """It is not restarted; where nobody changed anything it stays out, and then it is named as left out."""
    async with rolling(
        haproxy_binary, 2, backends=BACKENDS, balancers=balancers, new_release="2", release=RELEASE
    ) as it:

        async def changed() -> Completed:
            await change(it, how)
            return Completed(0)

        it.hosts["web1"].actions["release"] = changed
        await until_ended(it, asyncio.create_task(it.deployment.run()), Step.RESTART)
        assert not it.restarting("web1")
        others = {"lb2": (MAINT, 10)} if balancers == 2 else {}
        assert await it.admin("web1") == {"lb1": CHANGES[how][1](MAINT), **others}
        assert it.failed() == {"web1": balancers == 2 or how == "weight"}


@pytest.mark.parametrize("how", ["ready", "drain", "weight"])
async def test_while_it_is_restarted(haproxy_binary: Path, how: str) -> None:
    """The restart comes to its end, and then the node is not brought back but stays as it is."""
    async with rolling(haproxy_binary, 2, backends=BACKENDS, balancers=2) as it:

        async def changed() -> Completed:
            await change(it, how)
            return await it.hosts["web1"].restart()

        it.hosts["web1"].actions["restart"] = changed
        await until_ended(it, asyncio.create_task(it.deployment.run()), Step.VERIFY)
        assert it.here.apps["web1"].starts == 2
        assert await it.admin("web1") == {"lb1": CHANGES[how][1](MAINT), "lb2": (MAINT, 10)}
        assert it.failed() == {"web1": True}


async def test_a_restart_that_fails_takes_nothing_back(haproxy_binary: Path) -> None:
    """The failure is told, and a server that somebody put back meanwhile is theirs all the same."""
    async with rolling(haproxy_binary, 2, backends=BACKENDS, balancers=2) as it:

        async def changed() -> Completed:
            await change(it, "ready")
            return Completed(1)

        it.hosts["web1"].actions["restart"] = changed
        assert await it.deployment.run() is Outcome.FAILED
        assert it.here.told(StepFailed)[-1].step is Step.RESTART
        assert await it.admin("web1") == {"lb1": (READY, 10), "lb2": (MAINT, 10)}
        assert it.failed() == {"web1": True}


@pytest.mark.parametrize("how", ["ready", "maint", "weight"])
async def test_while_it_is_verified(haproxy_binary: Path, how: str) -> None:
    """HAProxy's check is waited for when it happens: what was changed stays, the rest is held."""
    async with rolling(haproxy_binary, 2, backends=BACKENDS, balancers=2) as it:

        async def restarts_ill() -> Completed:
            it.here.apps["web1"].pages["/_check"].status = 503
            return await it.hosts["web1"].restart()

        it.hosts["web1"].actions["restart"] = restarts_ill
        running = asyncio.create_task(it.deployment.run())

        async def is_checked() -> bool:
            states = (await it.here.states("web1")).values()
            return it.restarting("web1") and {state.admin for state in states} == {DRAIN}

        await until_seen(is_checked, "the checks before it comes back")
        await change(it, how)
        await until_ended(it, running, Step.VERIFY)
        assert await it.admin("web1") == {"lb1": CHANGES[how][1](MAINT), "lb2": (MAINT, 10)}
        assert it.failed() == {"web1": True}


@pytest.mark.parametrize("how", ["maint", "drain"])
async def test_before_its_turn(haproxy_binary: Path, how: str) -> None:
    """A node that somebody takes out while another one is deployed is not touched, and no other starts."""
    async with rolling(haproxy_binary, 3, balancers=2) as it:
        restart = it.hold("web1")
        running = asyncio.create_task(it.deployment.run())
        await until(lambda: it.restarting("web1"), "the first restart")
        await it.here.haproxies["lb2"].send([f"set server shop/web2 state {how}"])
        restart.set()
        assert await running is Outcome.FAILED
        failed = it.here.told(StepFailed)[-1]
        assert (failed.node, failed.step) == ("web2", Step.DRAIN)
        assert "someone else changed it since the deployment began: shop/web2 on lb2" in failed.reason
        theirs = {"maint": MAINT, "drain": DRAIN}[how]
        assert await it.admin("web2") == {"lb1": (READY, 1), "lb2": (theirs, 1)}
        assert (it.finished(), it.failed()) == (["web1"], {"web2": False})
        assert not it.restarting("web2")


async def test_a_weight_that_is_set_before_its_turn_is_kept(haproxy_binary: Path) -> None:
    """It keeps no node from being deployed, and is what the node comes back with."""
    async with rolling(haproxy_binary, 2, backends=BACKENDS) as it:
        await change(it, "weight")
        assert await it.deployment.run() is Outcome.DONE
        assert await it.admin("web1") == {"lb1": (READY, 3)}
