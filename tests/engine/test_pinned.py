"""Clients that are pinned to a node and never pause: the drain moves them, and no request is lost."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from rollout.errors import StepFailure
from rollout.events import CommandSent, Warned
from tests.support.balancer import Balancer
from tests.support.shop import Shop, shop
from tests.support.until import until, until_seen
from tests.support.visitors import Seen, crowd

pytestmark = pytest.mark.every_haproxy

CHECK = ("option httpchk GET /_check", "default-server check inter 50ms rise 1 fall 2")
NAMED = ("server web1 {web1}", "server web2 {web2}")
COOKIE = ("cookie S insert indirect", "server web1 {web1} cookie web1", "server web2 {web2} cookie web2")
PINS = {
    "cookie": COOKIE,
    "dynamic cookie": ("cookie S insert dynamic", "dynamic-cookie-key K", *NAMED),
    "stick on": ("stick-table type string size 1k", "stick on str(all)", *NAMED),
    "stick match": (
        "stick-table type string size 1k",
        "stick match str(all)",
        "stick store-request str(all)",
        *NAMED,
    ),
    "use-server": ("use-server web1 if {{ path / }}", *NAMED),
    "computed use-server": ("use-server %[str(web1)] if {{ path / }}", *NAMED),
    "cookie, maxconn and queues": (
        "cookie S insert indirect",
        "server web1 {web1} cookie web1 maxconn 2",
        "server web2 {web2} cookie web2",
    ),
}
QUICK = (0.05, 0.07, 0.11, 0.13, 0.17, 0.23)
SLOW = (0.05, 0.11, 0.23, 0.9, 1.3, 1.7)
"""Seconds that answers take. With slow ones among them, no node is ever idle, however busy the machine is."""
CUTTING = (*CHECK, "default-server on-marked-down shutdown-sessions", *COOKIE)
SHUTDOWN = "`on-marked-down shutdown-sessions`"


async def in_use(here: Shop) -> str:
    """The node that gets requests, or one of several."""

    def asked() -> list[str]:
        return [name for name, app in here.apps.items() if app.requests["/"] > 20]

    await until(lambda: asked() != [], "traffic")
    return asked()[0]


def never_pausing(
    balancer: Balancer, delays: Sequence[float] = SLOW, *, fresh: bool = False
) -> AbstractAsyncContextManager[Seen]:
    """Visitors between whose requests there is no pause on any node, since they are not in step."""
    targets = [f"/?delay={seconds}" for seconds in delays]
    return crowd(balancer, "shop", size=24, target=targets, fresh=fresh, pause=0.0)


@pytest.mark.parametrize("pin", PINS)
async def test_they_are_moved(haproxy_binary: Path, pin: str) -> None:
    """Whatever pins them, the node is soon drained, and restarted without one request that is lost."""
    async with shop(haproxy_binary, {"shop": (*CHECK, *PINS[pin])}) as here:
        async with never_pausing(here.balancers[0], QUICK) as seen:
            node = await in_use(here)
            rotation = here.rotation(node, timeout="20s")
            begun = asyncio.get_running_loop().time()
            await rotation.leave(here.log(node=node))
            await rotation.drained(here.log(node=node))
            assert asyncio.get_running_loop().time() - begun < 10
            await rotation.still_out(here.log(node=node))
            app = here.apps[node]
            assert app.running == 0
            app.stop()
            app.up = False
            await app.start()
            other = next(name for name in here.apps if name != node)
            asked = here.apps[other].requests["/"]
            await until(lambda: here.apps[other].requests["/"] > asked + 50, "traffic without it")
        assert seen.lost == []
        assert (app.cut, app.early) == (0, [])
        assert here.told(Warned) == []


def rdp_cookie(address: str) -> bytes:
    """The first packet of a remote desktop client that is pinned to `address`. The end of its line makes it a
    request that a `WebApp` understands."""
    host, _, port = address.partition(":")
    number = int.from_bytes(socket.inet_aton(host), "little")
    cookie = f"Cookie: msts={number}.{socket.htons(int(port))}.0000 HTTP/1.0\r\n\r\n".encode()
    return struct.pack(">BBHBB5x", 3, 0, 11 + len(cookie), 6 + len(cookie), 0xE0) + cookie


async def test_remote_desktops_are_moved(haproxy_binary: Path) -> None:
    """`persist rdp-cookie` pins by an address in the first packet; maintenance moves new connections."""
    backend = (
        "mode tcp",
        "persist rdp-cookie",
        "tcp-request inspect-delay 5s",
        "tcp-request content accept if RDP_COOKIE",
        *NAMED,
    )
    async with shop(haproxy_binary, {"shop": backend}, settings=("mode tcp",)) as here:
        balancer, web1 = here.balancers[0], here.apps["web1"]
        answers: Counter[str] = Counter()
        stopped = asyncio.Event()

        async def connect() -> None:
            while not stopped.is_set():
                reader, writer = await asyncio.open_connection(balancer.host, balancer.port("shop"))
                writer.write(rdp_cookie(web1.address))
                answers[(await reader.read())[-4:].decode()] += 1
                writer.close()

        clients = [asyncio.create_task(connect()) for _ in range(8)]
        await until(lambda: answers["web1"] > 20, "pinned connections")
        rotation = here.rotation(timeout="20s")
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        web1.stop()
        answered = answers["web2"]
        await until(lambda: answers["web2"] > answered + 20, "connections without it")
        stopped.set()
        await asyncio.gather(*clients)
        assert set(answers) == {"web1", "web2"}
        assert web1.cut == 0


async def test_requests_that_run_are_waited_for(haproxy_binary: Path) -> None:
    """Maintenance that moves clients ends nothing: the slow request of one of them gets its answer."""
    async with shop(haproxy_binary, {"shop": (*CHECK, *COOKIE)}) as here:
        async with (
            crowd(here.balancers[0], "shop", size=6) as seen,
            crowd(here.balancers[0], "shop", size=6, target="/hold") as slow,
        ):
            app = here.apps["web1"]
            await until(lambda: app.requests["/hold"] > 0 and seen.total > 20, "a slow request")
            here.apps["web2"].let_go()
            rotation = here.rotation(timeout="20s")
            await rotation.leave(here.log())
            draining = asyncio.create_task(rotation.drained(here.log()))

            async def moved() -> bool:
                return await here.statuses() == {"MAINT"}

            await until_seen(moved, "maintenance")
            answered = seen.total
            await until(lambda: seen.total > answered + 50, "traffic meanwhile")
            assert not draining.done()
            app.let_go()
            await draining
            assert app.running == 0
        assert seen.lost + slow.lost == []


async def test_where_maintenance_cuts_they_are_not_moved(haproxy_binary: Path) -> None:
    """With `shutdown-sessions` the drain waits, and its failure says which lines keep it from moving them."""
    async with shop(haproxy_binary, {"shop": CUTTING}) as here:
        async with never_pausing(here.balancers[0]) as seen:
            await in_use(here)
            rotation = here.rotation(timeout="500ms")
            await rotation.leave(here.log())
            with pytest.raises(StepFailure, match=r"not drained within 0\.5 s") as raised:
                await rotation.drained(here.log())
            await rotation.give_back(here.log())
        assert seen.lost == []
        assert raised.value.hint is not None
        assert SHUTDOWN in raised.value.hint
        assert f"{here.balancers[0].folder}/haproxy.cfg:" in raised.value.hint


async def test_what_is_cut_is_named(haproxy_binary: Path) -> None:
    """`on_timeout: close` where maintenance ends the sessions: a warning has their number and clients."""
    async with shop(haproxy_binary, {"shop": CUTTING}) as here:
        async with never_pausing(here.balancers[0]) as seen:
            await in_use(here)
            rotation = here.rotation(timeout="300ms", on_timeout="close")
            await rotation.leave(here.log())
            await rotation.drained(here.log())
        warned = " ".join(event.message for event in here.told(Warned))
        told = re.search(
            rf"maintenance ended up to (\d+) sessions on shop/web1 on lb1 \({SHUTDOWN}\): 127\.", warned
        )
        assert told is not None, warned
        assert 0 < len(seen.lost) <= int(told[1])


@pytest.mark.parametrize(("said", "moved"), [("move", True), ("wait", False), (None, False)])
async def test_what_cannot_be_read_is_said(haproxy_binary: Path, said: str | None, moved: bool) -> None:
    """Where the load balancer's machine cannot be asked, `drain.pinned` decides; by default it waits."""
    async with shop(haproxy_binary, {"shop": (*CHECK, *COOKIE)}) as here:
        async with never_pausing(here.balancers[0]) as seen:
            await in_use(here)
            rotation = here.rotation(apart=True, timeout="20s" if moved else "500ms", pinned=said)
            await rotation.leave(here.log())
            if moved:
                await rotation.drained(here.log())
            else:
                with pytest.raises(StepFailure, match="not drained") as raised:
                    await rotation.drained(here.log())
                assert raised.value.hint is not None
                assert ("drain.pinned: move" in raised.value.hint) == (said is None)
            await rotation.give_back(here.log())
        assert seen.lost == []


async def test_a_new_process_with_other_lines(haproxy_binary: Path) -> None:
    """What counts is the configuration of the process that runs: a reload in the middle may change it."""
    async with shop(haproxy_binary, {"shop": (*CHECK, *COOKIE)}) as here:
        balancer = here.balancers[0]
        async with never_pausing(balancer, fresh=True) as seen:
            await in_use(here)
            rotation = here.rotation(timeout="1s")
            await rotation.leave(here.log())
            balancer.backends["shop"] = [
                line.format(**{n: a.address for n, a in here.apps.items()}) for line in CUTTING
            ]
            await balancer.reload()

            async def in_use_again() -> bool:
                return (await here.states())["lb1 shop"].load >= 4

            await until_seen(in_use_again, "pinned clients of the new process")
            with pytest.raises(StepFailure, match="not drained"):
                await rotation.drained(here.log())
            await rotation.give_back(here.log())
        assert [line for line in seen.lost if not line.startswith("ConnectionRe")] == []
        assert [event.line for event in here.told(CommandSent) if "maint" in event.line] == []
