"""The clients that keep a draining node busy: websockets and long polls, by name, and until when."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from rollout.adapters.haproxy.sessions import parse_sessions
from rollout.domain import Server
from rollout.engine.rotation import clients
from rollout.engine.rotation.clients import name_clients
from rollout.errors import StepFailure
from rollout.events import Progressed, Warned
from tests.support.shop import Shop, shop
from tests.support.until import until
from tests.support.visitors import Visitor, crowd
from tests.support.websocket import WebSocket, websocket

pytestmark = pytest.mark.every_haproxy

STICKY = {
    "shop": (
        "option httpchk GET /_check",
        "default-server check inter 50ms rise 1 fall 2",
        "cookie SERVER insert indirect",
        "server web1 {web1} cookie web1",
        "server web2 {web2} cookie web2",
    )
}
WEB1 = Server("lb1", "shop", "web1")


@pytest.fixture(autouse=True)
def _asked_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_FIRST", 0.05)


async def connected(stack: AsyncExitStack, here: Shop) -> WebSocket:
    """A websocket to web1 through which something went."""
    balancer = here.balancers[0]
    opened = await stack.enter_async_context(
        websocket(balancer.host, balancer.port("shop"), cookie="SERVER=web1")
    )
    assert await opened.echo("hello") == "hello"
    return opened


async def test_a_drain_names_who_holds_it(haproxy_binary: Path) -> None:
    """A websocket and a long poll, what they are, since when, and how long the drain waits for them."""
    async with shop(haproxy_binary, STICKY) as here, AsyncExitStack() as stack:
        app = here.apps["web1"]
        talking = await connected(stack, here)
        visitor = Visitor(here.balancers[0], "shop")
        visitor.cookie = "SERVER=web1"
        poll = asyncio.create_task(visitor.get("/hold"))
        await until(lambda: app.running == 1, "the long poll")
        rotation = here.rotation(timeout="20s")
        await rotation.leave(here.log())
        draining = asyncio.create_task(rotation.drained(here.log()))

        def told() -> str:
            return here.told(Progressed)[-1].detail if here.told(Progressed) else ""

        await until(lambda: "left (" in told(), "the names")
        assert re.fullmatch(
            rf"lb1 2 left \((?=.*{talking.name} for \d+ s, websocket; ).*"
            r"127\.\S+ for \d+ s, waits for its answer.*; (20|19) s left\)",
            told(),
        ), told()
        assert await talking.echo("still here") == "still here"
        app.let_go()
        assert await poll == (200, "web1")
        talking.close()
        await draining
        assert told() == "lb1 drained"


async def test_a_drain_that_takes_too_long_names_them(haproxy_binary: Path) -> None:
    """Three of them, and how many more; they go on talking, for the node is put back."""
    async with shop(haproxy_binary, STICKY) as here, AsyncExitStack() as stack:
        talking = [await connected(stack, here) for _ in range(5)]
        rotation = here.rotation(timeout="200ms")
        await rotation.leave(here.log())
        with pytest.raises(StepFailure) as caught:
            await rotation.drained(here.log())
        failure = str(caught.value)
        assert failure.startswith("not drained within 0.2 s: sessions left: 5 on shop/web1 on lb1: 127.")
        assert failure.endswith("; and 2 more")
        assert sum(f"{each.name} for " in failure for each in talking) == 3
        await rotation.give_back(here.log())
        assert {await each.echo("x") for each in talking} == {"x"}


async def test_those_that_are_closed_are_named(haproxy_binary: Path) -> None:
    """With `on_timeout: close` they are ended, and a warning says whose they were."""
    async with shop(haproxy_binary, STICKY) as here, AsyncExitStack() as stack:
        talking = await connected(stack, here)
        rotation = here.rotation(timeout="200ms", on_timeout="close")
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        (warning,) = here.told(Warned)
        assert warning.message.startswith(f"ending the sessions that are left on lb1: {talking.name} for ")
        with pytest.raises(EOFError):
            await talking.echo("x")


async def test_who_may_not_ask_counts(haproxy_binary: Path) -> None:
    """A socket of level user shows no sessions: nobody is named, and nothing fails."""
    async with shop(haproxy_binary, STICKY) as here, AsyncExitStack() as stack:
        await connected(stack, here)
        assert await name_clients([WEB1], here.balancers[0].haproxy("user")) == ""
        assert ", websocket" in await name_clients([WEB1], here.balancers[0].haproxy("operator"))


@pytest.mark.parametrize(
    ("age", "seconds"), [("0s", 0), ("1m3s", 63), ("2h5m", 7500), ("3d4h", 273_600), ("a while", None)]
)
def test_what_cannot_be_read_is_left_out(age: str, seconds: int | None) -> None:
    """A line of another shape names nobody, and is no error."""
    line = f"0x7f: proto=tcpv6 src=2001:db8::1:4711 fe=www be=shop srv=web1 ts=00 age={age} calls=1"
    found = [(session.client, session.age) for _, session in parse_sessions(f"{line}\n\n", [WEB1])]
    assert found == ([] if seconds is None else [("2001:db8::1:4711", seconds)])


async def test_a_websocket_keeps_pinned_clients_waiting_for_nothing(haproxy_binary: Path) -> None:
    """While one keeps a draining node busy, clients that are pinned to it are served, and afterwards, too."""
    async with shop(haproxy_binary, STICKY) as here, AsyncExitStack() as stack:
        async with crowd(here.balancers[0], "shop", size=6, target="/?delay=0.004", pause=0.01) as seen:
            await until(lambda: seen.answers["web1"] > 20, "pinned clients")
            talking = await connected(stack, here)
            rotation = here.rotation(timeout="20s")
            await rotation.leave(here.log())
            draining = asyncio.create_task(rotation.drained(here.log()))
            served = seen.total
            await until(lambda: seen.total > served + 50, "traffic meanwhile")
            assert not draining.done()
            talking.close()
            await draining
            await rotation.still_out(here.log())
            assert here.apps["web1"].running == 0
            here.apps["web1"].stop()
            served = seen.answers["web2"]
            await until(lambda: seen.answers["web2"] > served + 50, "traffic without it")
        assert seen.lost == []
