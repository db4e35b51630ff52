"""HAProxy is reloaded in each moment of a deployment, under traffic.

It forgets that a node is out. What its new process sends there until that is noticed is lost where the
application is down just then, and nothing after it; with a state file nothing is lost at all.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from rollout.domain import AdminState, Completed, Outcome, Step
from rollout.events import Progressed, StepStarted
from tests.support.rolling import Rolling, rolling
from tests.support.until import until, until_seen
from tests.support.visitors import Seen, Visitor, crowd

BACKEND = {
    "shop": (
        "option httpchk GET /_check",
        "default-server check inter 50ms rise 2 fall 2",
        "server web1 {web1}",
        "server web2 {web2}",
    )
}
NOTICED = 1.0
"""Seconds; a fifth of it where no other test keeps the machine busy."""
Reached = Callable[[], Awaitable[bool]]
GoOn = Callable[[], Awaitable[None]]


async def drain(it: Rolling) -> tuple[Reached, GoOn]:
    """It drains: a request runs on it."""
    slow = asyncio.gather(*(Visitor(it.here.balancers[0], "shop").get("/hold") for _ in range(4)))
    apps = it.here.apps.values()
    await until(
        lambda: sum(app.running for app in apps) >= 4 and it.here.apps["web1"].running > 0, "requests"
    )

    async def reached() -> bool:
        # What is waited for is told once all load balancers have been told, and their state files written.
        return bool(it.here.told(Progressed)) and await it.here.statuses() == {"DRAIN"}

    async def go_on() -> None:
        waits = "port 8000 [1-9][0-9]* left"  # the new process shows none of them
        await until(
            lambda: any(re.search(waits, told.detail) for told in it.here.told(Progressed)), "the wait"
        )
        assert not in_step(it, Step.RELEASE)
        for app in apps:
            app.let_go()
        assert {status for status, _ in await slow} == {200}

    return reached, go_on


def command(it: Rolling, line: str, *, down: bool) -> tuple[Reached, GoOn]:
    """A command runs on the node."""
    begun, ending, app = asyncio.Event(), asyncio.Event(), it.here.apps["web1"]

    async def action() -> Completed:
        if down:
            app.stop()
        begun.set()
        await ending.wait()
        if down:
            await app.start()
        return Completed(0)

    async def reached() -> bool:
        return begun.is_set()

    async def go_on() -> None:
        ending.set()

    it.hosts["web1"].actions[line] = action
    return reached, go_on


async def release(it: Rolling) -> tuple[Reached, GoOn]:
    return command(it, "install", down=False)


async def restart(it: Rolling) -> tuple[Reached, GoOn]:
    return command(it, "restart", down=True)


def started(it: Rolling, *, up: bool, page: int, check: int) -> GoOn:
    """Have the application be so after its restart, and gives what makes it well."""
    app = it.here.apps["web1"]

    def become(*, up: bool, page: int, check: int) -> None:
        app.up, app.pages["/_status"].status, app.pages["/_check"].status = up, page, check

    async def action() -> Completed:
        become(up=up, page=page, check=check)
        return await it.hosts["web1"].restart()

    async def go_on() -> None:
        become(up=True, page=200, check=200)

    it.hosts["web1"].actions["restart"] = action
    return go_on


def in_step(it: Rolling, step: Step) -> bool:
    return StepStarted("web1", step) in it.here.events


async def verify(it: Rolling) -> tuple[Reached, GoOn]:
    """It was started, and its own page is not right yet."""
    go_on = started(it, up=False, page=503, check=503)

    async def reached() -> bool:
        return in_step(it, Step.VERIFY)

    return reached, go_on


async def prove(it: Rolling) -> tuple[Reached, GoOn]:
    """Its page is right, and HAProxy's own check has not passed yet."""
    go_on = started(it, up=True, page=200, check=503)

    async def reached() -> bool:
        (state,) = (await it.here.states()).values()
        return in_step(it, Step.VERIFY) and state.admin == AdminState.FORCED_DRAIN

    return reached, go_on


async def proven(it: Rolling) -> tuple[Reached, GoOn]:
    """HAProxy's own check has passed, and the page has yet to be right once more."""
    go_on = started(it, up=True, page=200, check=200)

    async def reached() -> bool:
        return in_step(it, Step.VERIFY) and await it.here.statuses() == {"DRAIN"}

    return reached, go_on


MOMENTS = [drain, release, restart, verify, prove, proven]
DOWN = (restart, verify)


async def out_again(it: Rolling, seen: Seen) -> float:
    """Wait until the new process keeps requests away; seconds. Those that it had sent are over then."""
    clock = asyncio.get_running_loop().time
    begun = clock()

    async def out() -> bool:
        (state,) = (await it.here.states()).values()
        return state.admin.in_drain or state.admin.in_maintenance

    await until_seen(out, "the node to be out again")
    seconds = clock() - begun
    over = seen.total + len(seen.lost) + 20
    await until(lambda: seen.total + len(seen.lost) > over, "the requests of before")
    return seconds


def lost(it: Rolling, seen: Seen) -> int:
    """Without what a reload itself costs here, where the sockets are not handed over."""
    app = it.here.apps["web1"]
    return len([one for one in seen.lost if not one.startswith("ConnectionRe")]) + len(app.early) + app.cut


@pytest.mark.parametrize("state_file", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_reload(
    haproxy_binary: Path,
    moment: Callable[[Rolling], Awaitable[tuple[Reached, GoOn]]],
    state_file: bool,
) -> None:
    """The node is soon out again, or never in, and the deployment goes on to its end."""
    sections = {
        "release": {"command": "install"},
        "health": {
            "http": "http://{host}:8000/_status",
            "interval": "1s" if moment is proven else "10ms",
            "timeout": "10s",
        },
    }
    async with (
        rolling(haproxy_binary, 2, backends=BACKEND, new_release="2", **sections) as it,
        crowd(it.here.balancers[0], "shop", fresh=True) as seen,
    ):
        reached, go_on = await moment(it)
        running = asyncio.create_task(it.deployment.run())
        await until_seen(reached, "the moment")
        await it.here.balancers[0].reload(as_it_is=state_file)
        assert await out_again(it, seen) < NOTICED
        lost_meanwhile = lost(it, seen)
        assert lost_meanwhile == 0 or (moment in DOWN and not state_file)
        (state,) = (await it.here.states()).values()
        assert state.total_sessions == 0 or not state_file
        assert not running.done()
        await go_on()
        assert await running is Outcome.DONE
        assert lost(it, seen) == lost_meanwhile
        assert await it.here.statuses() == {"UP"}
