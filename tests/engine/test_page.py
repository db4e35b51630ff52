"""Leaving and coming back by the health page, with real HAProxy or with none to ask."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rollout.domain import Step
from rollout.errors import StepFailure
from rollout.events import Progressed
from tests.support.balancer import Balancer
from tests.support.shop import Shop, shop
from tests.support.site import inventory, page_rotation, site
from tests.support.until import until, until_seen
from tests.support.visitors import Visitor, crowd

pytestmark = pytest.mark.every_haproxy

DOWN = (
    "option httpchk GET /_status",
    "default-server check inter 50ms rise 2 fall 2",
    "server web1 {web1}",
    "server web2 {web2}",
)
NOLB = ("http-check disable-on-404", *DOWN)
REQUEST = {
    "request": {
        "down": {"method": "PUT", "url": "http://{host}:8000/_drain"},
        "up": {"method": "DELETE", "url": "http://{host}:8000/_drain"},
    }
}


def by_file(here: Shop, folder: Path, **more: Any) -> dict[str, Any]:
    """Draining by a file in a folder that is yet to be made; the applications watch it."""
    for name, app in here.apps.items():
        app.draining_file = folder / f"run of {name}" / "draining"
    return {"timeout": "5s", "health_page": {"file": f"{folder}/run of {{node}}/draining"}, **more}


async def keep_busy(here: Shop, lb: Balancer) -> list[asyncio.Task[tuple[int, str]]]:
    """Requests for `/hold` through `lb`, the last of which runs on web1."""

    def asked() -> int:
        return sum(app.requests["/hold"] for app in here.apps.values())

    slow: list[asyncio.Task[tuple[int, str]]] = []
    before, on_web1 = asked(), here.apps["web1"].requests["/hold"]
    while here.apps["web1"].requests["/hold"] == on_web1:
        slow.append(asyncio.create_task(Visitor(lb, "shop").get("/hold")))
        await until(lambda: asked() == before + len(slow), "the slow request")
    return slow


@pytest.mark.parametrize("way_out", ["file", "request"])
@pytest.mark.parametrize(("backend", "left"), [(NOLB, "NOLB"), (DOWN, "DOWN")], ids=["NOLB", "DOWN"])
async def test_out_and_back(
    haproxy_binary: Path, tmp_path: Path, way_out: str, backend: tuple[str, ...], left: str
) -> None:
    """Out, with the running request finished, restarted, and back: under traffic nothing is lost."""
    async with shop(haproxy_binary, {"shop": backend}, balancers=2) as here:
        app, log = here.apps["web1"], here.log()
        drain = by_file(here, tmp_path) if way_out == "file" else {"health_page": REQUEST}
        async with (
            site(here, inventory(here, drain=drain)) as where,
            crowd(here.balancers[0], "shop") as one,
            crowd(here.balancers[1], "shop") as two,
        ):
            rotation = page_rotation(here, where)
            slow = [task for lb in here.balancers for task in await keep_busy(here, lb)]
            await rotation.leave(log)
            draining = asyncio.create_task(rotation.drained(log))

            async def both_left() -> bool:
                return await here.statuses() == {left}

            await until_seen(both_left, left)
            assert not draining.done()
            app.let_go()
            here.apps["web2"].let_go()
            assert {status for status, _ in await asyncio.gather(*slow)} == {200}
            await draining
            await rotation.still_out(log)
            app.stop()
            app.up = False
            app.pages["/_status"].status = 404 if way_out == "request" else 503
            await app.start()
            answered = one.total, two.total
            await until(lambda: one.total > answered[0] + 20 < two.total, "traffic without it")
            app.up = True
            if way_out == "file":
                app.pages["/_status"].status = 200
            await rotation.prove(log)
            await rotation.enter(log)
            assert {status[:2] for status in await here.statuses()} == {"UP"}
            answered = one.answers["web1"], two.answers["web1"]
            await until(lambda: one.answers["web1"] > answered[0], "traffic by lb1")
            await until(lambda: two.answers["web1"] > answered[1], "traffic by lb2")
        assert one.lost + two.lost == []
        assert app.early == []
        assert app.cut == 0


async def test_a_page_that_nobody_checks(haproxy_binary: Path, tmp_path: Path) -> None:
    """Where HAProxy checks something else, the drain times out and says what it shows."""
    backend = ("option httpchk GET /_check", *DOWN[1:])
    async with shop(haproxy_binary, {"shop": backend}) as here:
        drain = by_file(here, tmp_path, timeout="100ms")
        async with site(here, inventory(here, drain=drain)) as where:
            rotation = page_rotation(here, where)
            await rotation.leave(here.log())
            with pytest.raises(StepFailure, match=r"within 0\.1 s: shop/web1 on lb1 shows UP") as raised:
                await rotation.drained(here.log())
            assert raised.value.hint == "is the page that answers 404 the one that HAProxy checks?"


async def test_a_request_that_lasts(haproxy_binary: Path, tmp_path: Path) -> None:
    """A request that outlasts the timeout fails the drain, which says where it is; then it is given back."""
    async with shop(haproxy_binary, {"shop": NOLB[:-1]}) as here:
        drain = by_file(here, tmp_path, timeout="400ms")
        async with site(here, inventory(here, drain=drain)) as where:
            rotation, app = page_rotation(here, where), here.apps["web1"]
            slow = asyncio.create_task(Visitor(here.balancers[0], "shop").get("/hold"))
            await until(lambda: app.running == 1, "the slow request")
            await rotation.leave(here.log())
            with pytest.raises(StepFailure, match="shop/web1 on lb1 shows NOLB with 1 session: "):
                await rotation.drained(here.log())
            assert here.told(Progressed)[-1].sessions == 1
            await rotation.give_back(here.log())

            async def back() -> bool:
                return (await here.states())["lb1 shop"].in_rotation

            await until_seen(back, "the node in rotation")
            app.let_go()
            assert await slow == (200, "web1")


async def test_a_file_that_someone_removed(haproxy_binary: Path, tmp_path: Path) -> None:
    """A file that is gone before the restart is noticed, also once HAProxy has taken the node back."""
    async with (
        shop(haproxy_binary, {"shop": NOLB}) as here,
        site(here, inventory(here, drain=by_file(here, tmp_path))) as where,
    ):
        rotation, app = page_rotation(here, where), here.apps["web1"]
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        assert app.draining_file is not None
        app.draining_file.unlink()
        app.pages["/_status"].status = 404
        with pytest.raises(StepFailure, match="draining was removed by someone else"):
            await rotation.still_out(here.log())
        app.pages["/_status"].status = 200

        async def back() -> bool:
            return (await here.states())["lb1 shop"].in_rotation

        await until_seen(back, "the node in rotation")
        with pytest.raises(StepFailure, match="shop/web1 on lb1 is back in rotation: it shows UP"):
            await rotation.still_out(here.log())


async def test_a_page_that_stays_ill(haproxy_binary: Path, tmp_path: Path) -> None:
    """A page that is not right once the file is gone is a failure; then the file is back."""
    async with shop(haproxy_binary, {"shop": NOLB}) as here, crowd(here.balancers[0], "shop") as seen:
        health = {"http": "http://{host}:8000/_status", "interval": "10ms", "timeout": "200ms"}
        settings = inventory(here, drain=by_file(here, tmp_path), health=health)
        async with site(here, settings) as where:
            rotation, app = page_rotation(here, where), here.apps["web1"]
            await rotation.leave(here.log())
            await rotation.drained(here.log())
            app.up = False
            app.pages["/_status"].status = 503
            with pytest.raises(StepFailure, match=r"not healthy within 0\.2 s: answered 503"):
                await rotation.enter(here.log(Step.READY))
            await rotation.stay_out(here.log(Step.READY))
            assert app.draining_file is not None
            assert app.draining_file.exists()
            assert app.early == []
            assert seen.lost == []


async def test_a_node_that_haproxy_does_not_take_back(haproxy_binary: Path, tmp_path: Path) -> None:
    """A page that is right for us and wrong for HAProxy is a failure that names the server."""
    async with shop(haproxy_binary, {"shop": NOLB}) as here:
        health = {"http": "http://{host}:8000/_check", "interval": "10ms", "timeout": "300ms"}
        settings = inventory(here, drain=by_file(here, tmp_path), health=health)
        async with site(here, settings) as where:
            rotation = page_rotation(here, where)
            await rotation.leave(here.log())
            await rotation.drained(here.log())
            here.apps["web1"].pages["/_status"].status = 404
            with pytest.raises(StepFailure, match="not back in rotation: shop/web1 on lb1 shows NOLB"):
                await rotation.enter(here.log(Step.READY))


@pytest.mark.parametrize("status", [403, 500])
async def test_a_request_that_is_refused(haproxy_binary: Path, status: int) -> None:
    """A node that refuses to change its page fails the step, with what it answered."""
    async with shop(haproxy_binary, {"shop": NOLB}) as here:
        requests = {name: {"url": "http://{host}:8000/_check", "method": "PUT"} for name in ("down", "up")}
        settings = inventory(here, drain={"health_page": {"request": requests}})
        async with site(here, settings) as where:
            here.apps["web1"].pages["/_check"].status = status
            with pytest.raises(StepFailure, match=rf"PUT http://.*/_check answered {status}"):
                await page_rotation(here, where).leave(here.log())
