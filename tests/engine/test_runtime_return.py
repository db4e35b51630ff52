"""Coming back by the runtime socket, with real HAProxy: never before its own fresh check has passed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rollout.domain import Step
from rollout.errors import LoadBalancerError, StepFailure
from rollout.events import Progressed
from tests.support.shop import CHECKED, Shop, shop
from tests.support.until import until, until_seen
from tests.support.visitors import crowd
from tests.support.web import WebApp

pytestmark = pytest.mark.every_haproxy

BY_CHECK = "option httpchk GET /_check"


async def take_out(here: Shop, *, node: str = "web1") -> None:
    rotation = here.rotation(node)
    await rotation.leave(here.log())
    await rotation.drained(here.log())
    await rotation.still_out(here.log())


def fail_check(app: WebApp) -> None:
    """The application listens, but neither HAProxy's check nor a visitor is answered well."""
    app.up = False
    app.pages["/_check"].status = 503


def waited_for(here: Shop) -> list[str]:
    return [event.detail for event in here.told(Progressed) if event.step is Step.VERIFY]


async def test_nothing_comes_before_the_check_has_passed(haproxy_binary: Path) -> None:
    """Under traffic a node that starts slowly gets no request from any load balancer until it is up.

    What is waited for is told once of each.
    """
    async with shop(haproxy_binary, balancers=2) as here, crowd(here.balancers[0], "shop") as one:
        async with crowd(here.balancers[1], "shop") as two:
            app, rotation = here.apps["web1"], here.rotation()
            await rotation.leave(here.log())
            await rotation.drained(here.log())
            await rotation.still_out(here.log())
            app.stop()
            fail_check(app)
            await app.start()
            proving = asyncio.create_task(rotation.prove(here.log(Step.VERIFY)))
            checks = app.requests["/_check"]
            await until(lambda: app.requests["/_check"] >= checks + 4, "checks by both load balancers")
            await until(lambda: len(waited_for(here)) >= 2, "word of both load balancers")
            assert not proving.done()
            app.up = True
            app.pages["/_check"].status = 200
            await proving
            assert sorted(waited_for(here)) == [f"lb{number} has yet to check shop/web1" for number in (1, 2)]
            before = one.answers["web1"], two.answers["web1"]
            assert await here.statuses() <= {"DRAIN", "DOWN", "DOWN 1/1"}
            await rotation.enter(here.log(Step.READY))
            assert await here.statuses() == {"UP"}
            await until(lambda: one.answers["web1"] > before[0], "traffic through lb1")
            await until(lambda: two.answers["web1"] > before[1], "traffic through lb2")
        assert here.apps["web1"].early == []
        assert here.apps["web1"].cut == 0
        assert one.lost + two.lost == []


async def test_an_application_that_stays_down_stays_out(haproxy_binary: Path) -> None:
    """HAProxy's check failing on a load balancer is a failure that names it; it then stays out on all."""
    async with shop(haproxy_binary, balancers=2) as here, crowd(here.balancers[0], "shop") as seen:
        await take_out(here)
        here.apps["web1"].stop()
        rotation = here.rotation(rejoin_timeout=0.3)
        with pytest.raises(StepFailure, match=r"within 0\.3 s: shop/web1 on lb\d shows L4CON"):
            await rotation.prove(here.log(Step.VERIFY))
        await rotation.stay_out(here.log(Step.VERIFY))
        assert await here.statuses() == {"MAINT"}
        here.apps["web1"].up = False
        await here.apps["web1"].start()
        answered = seen.total
        await until(lambda: seen.total > answered + 50, "some traffic")
        assert here.apps["web1"].early == []
        assert seen.lost == []
        assert [event.step for event in here.told(Progressed)][-1] is Step.VERIFY


async def test_the_first_passed_check_is_enough(haproxy_binary: Path) -> None:
    """With `rise 10` the node is back after its first passed check, not after ten."""
    backend = (BY_CHECK, "default-server check inter 100ms rise 10 fall 2", *CHECKED[2:])
    async with shop(haproxy_binary, {"shop": backend}) as here:
        await take_out(here)
        app, rotation = here.apps["web1"], here.rotation()
        checks = app.requests["/_check"]
        await rotation.prove(here.log())
        assert 1 <= app.requests["/_check"] - checks <= 2
        assert not (await here.states())["lb1 shop"].running
        await rotation.enter(here.log())
        assert await here.statuses() == {"UP"}
        state = (await here.states())["lb1 shop"]
        assert state.in_rotation
        assert app.requests["/_check"] - checks < 8  # a busy machine looks later


async def test_a_tracker_does_not_wait_for_rise(haproxy_binary: Path) -> None:
    """A server that tracks another of the same node is back when the tracked one is, at its first check."""
    backends = {
        "shop": (BY_CHECK, "default-server check inter 100ms rise 20 fall 2", *CHECKED[2:]),
        "api": ("server web1 {web1} track shop/web1", "server web2 {web2}"),
    }
    async with shop(haproxy_binary, backends) as here, crowd(here.balancers[0], "api") as seen:
        await take_out(here)
        app, rotation = here.apps["web1"], here.rotation()
        app.stop()
        fail_check(app)
        await app.start()
        proving = asyncio.create_task(rotation.prove(here.log()))
        checks = app.requests["/_check"]
        await until(lambda: app.requests["/_check"] > checks + 1, "failed checks")
        assert not proving.done()
        app.up = True
        app.pages["/_check"].status = 200
        checks = app.requests["/_check"]
        await proving
        await rotation.enter(here.log())
        assert app.requests["/_check"] - checks < 20  # rise
        assert await here.statuses() == {"UP"}
        web1 = seen.answers["web1"]
        await until(lambda: seen.answers["web1"] > web1, "traffic by way of the tracker")
        assert app.early == []
        assert seen.lost == []


async def test_a_server_without_a_check_is_put_back(haproxy_binary: Path) -> None:
    """A server that HAProxy does not check is out while the node is, and takes traffic when it is back."""
    backends = {"shop": ("server web1 {web1}", "server web2 {web2}")}
    async with shop(haproxy_binary, backends) as here, crowd(here.balancers[0], "shop") as seen:
        await take_out(here)
        app, rotation = here.apps["web1"], here.rotation()
        app.stop()
        app.up = False
        await app.start()
        answered = seen.total
        await until(lambda: seen.total > answered + 50, "some traffic")
        app.up = True
        await rotation.prove(here.log())
        await rotation.enter(here.log())
        assert await here.statuses() == {"no check"}
        web1 = seen.answers["web1"]
        await until(lambda: seen.answers["web1"] > web1, "traffic")
        assert app.early == []
        assert seen.lost == []


async def test_weight_and_slow_start_are_kept(haproxy_binary: Path) -> None:
    """A weight that was set by the socket survives the way out and back; slow start is no failure."""
    backend = (
        BY_CHECK,
        "default-server check inter 50ms rise 2 fall 2 slowstart 20s weight 40",
        *CHECKED[2:],
    )
    async with shop(haproxy_binary, {"shop": backend}) as here:
        await here.balancers[0].ask("set server shop/web1 weight 17")
        await until(lambda: here.haproxies["lb1"].recent() is None, "a reading with that weight")
        await take_out(here)
        rotation = here.rotation()
        await rotation.prove(here.log())
        await rotation.enter(here.log())
        state = (await here.states())["lb1 shop"]
        assert state.in_rotation
        answer = await here.balancers[0].ask("get weight shop/web1")
        assert answer.split() == ["17", "(initial", "40)"]


async def test_a_check_of_another_kind_that_fails_is_no_proof(haproxy_binary: Path) -> None:
    """A 404 that `disable-on-404` takes for a polite no does not prove a node."""
    backends = {"shop": (BY_CHECK, "http-check disable-on-404", *CHECKED[1:])}
    async with shop(haproxy_binary, backends) as here:
        await take_out(here)
        here.apps["web1"].pages["/_check"].status = 404
        with pytest.raises(StepFailure, match="check did not pass"):
            await here.rotation(rejoin_timeout=0.3).prove(here.log())


async def test_it_stays_out_where_it_can_be_told(haproxy_binary: Path) -> None:
    """When one load balancer is gone, the failed node is still set to maintenance on the other one."""
    async with shop(haproxy_binary, balancers=2) as here:
        here.balancers[0].stop()
        with pytest.raises(LoadBalancerError, match="lb1"):
            await here.rotation(patience=0.0).stay_out(here.log())
        states = (await here.haproxies["lb2"].read()).servers
        assert [state.status for state in states] == ["MAINT", "UP"]


async def test_an_answer_that_never_came_is_sent_for_again(haproxy_binary: Path) -> None:
    """A command that is sent while HAProxy restarts reaches the new process."""
    async with shop(haproxy_binary) as here:
        here.balancers[0].stop()
        staying_out = asyncio.create_task(here.rotation().stay_out(here.log()))
        await here.balancers[0].start()
        await staying_out

        async def in_maintenance() -> bool:
            return await here.statuses() == {"MAINT"}

        await until_seen(in_maintenance, "maintenance")
