"""A node behind a load balancer that nobody can ask, with applications that keep connections open."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rollout.engine.rotation.by_page import PageRotation
from rollout.errors import StepFailure
from tests.support.balancer import Balancer, balancer
from tests.support.loopback import own_address
from tests.support.needs import missing
from tests.support.shop import Shop
from tests.support.site import inventory, page_rotation, site
from tests.support.until import until, until_seen
from tests.support.visitors import Seen, Visitor, crowd
from tests.support.web import web_app
from tests.support.websocket import websocket

PORT = 8000
SETTLE = 1.0
"""Seconds in which HAProxy surely has seen the 404."""
LONGEST = 1.2
"""Seconds that the longest request takes."""
REUSE = ("never", "safe", "always")
MIXED = ("/", "/?delay=0.3", f"/?delay={LONGEST}", "/stream?parts=2&pause=0.6")
SERVERS = {
    "gunicorn": "gunicorn tests.support.slow_app:wsgi -k gthread --threads 60 --keep-alive 75 -b {host}:8000",
    "uvicorn": "uvicorn tests.support.slow_app:asgi --timeout-keep-alive 75 --host {host} --port 8000",
}


@asynccontextmanager
async def balanced(binary: Path, nodes: dict[str, str]) -> AsyncIterator[Balancer]:
    """An HAProxy with a backend for each way to reuse connections; all nodes are up."""
    servers = [f"server {name} {address}" for name, address in nodes.items()]
    check = ("option httpchk GET /_status", "http-check disable-on-404")
    backends = {
        reuse: (*check, f"http-reuse {reuse}", "default-server check inter 50ms rise 1 fall 2", *servers)
        for reuse in REUSE
    }
    async with balancer(binary, backends) as running:

        async def up() -> bool:
            states = (await running.haproxy().read()).servers
            return all(state.check_status == "L7OK" for state in states)

        await until_seen(up, "the nodes up")
        yield running


@asynccontextmanager
async def unseen(host: str, folder: Path, timeout: str = "20s") -> AsyncIterator[tuple[Shop, PageRotation]]:
    """The rotation of the node `web1` at `host`, where no load balancer can be asked."""
    here = Shop(cast(Any, {"web1": SimpleNamespace(name="web1", host=host)}), [], {})
    page = {"file": f"{folder}/{{node}}", "settle": f"{SETTLE}s", "port": PORT}
    async with site(here, inventory(here, drain={"timeout": timeout, "health_page": page})) as where:
        yield here, page_rotation(here, where)


@asynccontextmanager
async def traffic(running: Balancer) -> AsyncIterator[list[Seen]]:
    """Quick and slow requests and answers with pauses, through all backends."""
    async with AsyncExitStack() as stack:
        crowds = [crowd(running, reuse, size=8, target=MIXED, pause=0.05) for reuse in REUSE]
        yield [await stack.enter_async_context(each) for each in crowds]


async def drain_and_kill(host: str, folder: Path, crowds: list[Seen], kill: Callable[[], None]) -> None:
    """Drain `web1` in the time that is promised, kill it, and see that nobody loses anything."""
    clock = asyncio.get_running_loop().time
    await until(lambda: all(seen.total > 50 for seen in crowds), "traffic")
    async with unseen(host, folder) as (here, rotation):
        begun = clock()
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        took = clock() - begun
    kill()
    answered = sum(seen.total for seen in crowds)
    await until(lambda: sum(seen.total for seen in crowds) > answered + 50, "traffic without it")
    assert [line for seen in crowds for line in seen.lost] == []
    assert took < SETTLE + LONGEST + 2


@pytest.mark.every_haproxy
async def test_connections_that_are_kept_for_ever(haproxy_binary: Path, tmp_path: Path) -> None:
    """An application that never closes a connection, as in Node or Go: drained in time, and nothing lost."""
    async with web_app("web1") as web1, web_app("web2") as web2:
        web1.draining_file = tmp_path / "web1"
        nodes = {"web1": web1.address, "web2": web2.address}
        async with balanced(haproxy_binary, nodes) as running, traffic(running) as crowds:
            await drain_and_kill(web1.host, tmp_path, crowds, web1.stop)
        assert web1.cut == 0


@pytest.mark.parametrize("name", SERVERS)
async def test_real_servers(haproxy_binary: Path, tmp_path: Path, name: str) -> None:
    """gunicorn and uvicorn, told to keep connections for longer than any drain."""
    if find_spec(name) is None:
        missing(f"needs Python's package {name}")
    hosts = {"web1": own_address(), "web2": own_address()}
    processes = {}
    try:
        for node, host in hosts.items():
            command = SERVERS[name].format(host=host).split()
            processes[node] = subprocess.Popen(  # noqa: ASYNC220 - it does not wait
                [sys.executable, "-m", *command],
                env={**os.environ, "DRAIN": f"{tmp_path}/{node}"},
                start_new_session=True,
            )
        nodes = {node: f"{host}:{PORT}" for node, host in hosts.items()}

        def kill(node: str = "web1") -> None:
            os.killpg(processes[node].pid, 9)

        async with balanced(haproxy_binary, nodes) as running, traffic(running) as crowds:
            await drain_and_kill(hosts["web1"], tmp_path, crowds, kill)
    finally:
        for process in processes.values():
            if process.poll() is None:
                os.killpg(process.pid, 9)
            process.wait()


async def test_a_websocket_that_talks(haproxy_binary: Path, tmp_path: Path) -> None:
    """It is waited for, with pauses between its words that are longer than those of any answer."""
    async with web_app("web1") as web1, balanced(haproxy_binary, {"web1": web1.address}) as running:
        web1.draining_file = tmp_path / "web1"
        async with (
            websocket(running.host, running.port("safe")) as opened,
            unseen(web1.host, tmp_path) as (here, rotation),
        ):
            await rotation.leave(here.log())
            draining = asyncio.create_task(rotation.drained(here.log()))
            for _ in range(7):
                assert await opened.echo("hello") == "hello"
                await asyncio.sleep(0.7)  # shorter than SETTLE, so the pauses are seen
                assert not draining.done()
            opened.close()
            await draining


async def test_a_request_that_outlasts_the_drain(haproxy_binary: Path, tmp_path: Path) -> None:
    """It fails the drain, which shows its connection; one that is kept for later is not among them."""
    async with web_app("web1") as web1, balanced(haproxy_binary, {"web1": web1.address}) as running:
        web1.draining_file = tmp_path / "web1"
        kept = Visitor(running, "safe")
        assert await kept.get() == (200, "web1")
        slow = asyncio.create_task(Visitor(running, "safe").get("/hold"))
        await until(lambda: web1.running == 1, "the slow request")
        async with unseen(web1.host, tmp_path, timeout="2s") as (here, rotation):
            await rotation.leave(here.log())
            message = rf"within 2 s: 1 connection to port {PORT} may carry a request"
            with pytest.raises(StepFailure, match=message) as raised:
                await rotation.drained(here.log())
        assert len(raised.value.tail) == 1
        web1.let_go()
        assert await slow == (200, "web1")
        kept.close()
