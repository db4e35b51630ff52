"""Leaving by the health page where no load balancer can be asked: a time, and the node's own connections."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rollout.engine.rotation import quiet_port
from rollout.errors import StepFailure
from rollout.events import Progressed
from tests.support.shop import Shop
from tests.support.site import inventory, page_rotation, site
from tests.support.until import until
from tests.support.web import WebApp, web_app


def alone(folder: Path, port: int, timeout: str) -> Mapping[str, Any]:
    page = {"file": f"{folder}/{{node}}", "settle": "50ms", "port": port}
    return {"timeout": timeout, "health_page": page}


async def hold(app: WebApp) -> asyncio.StreamWriter:
    """A connection with a request that runs."""
    before = app.running
    _, writer = await asyncio.open_connection(app.host, app.port)
    writer.write(b"GET /hold HTTP/1.1\r\n\r\n")
    await until(lambda: app.running == before + 1, "the request")
    return writer


async def test_connections_are_counted_where_nobody_can_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no load balancer listed, the node is drained when the last connection with a request is closed."""
    monkeypatch.setattr(quiet_port, "_LOOK_AGAIN", 0.02)

    async with web_app("web1", port=0) as app:
        here = Shop({"web1": app}, [], {})
        settings = inventory(here, drain=alone(tmp_path, app.port, "5s"))
        async with site(here, settings) as where:
            rotation = page_rotation(here, where)
            one, other = await hold(app), await hold(app)
            began = asyncio.get_running_loop().time()
            await rotation.leave(here.log())
            draining = asyncio.create_task(rotation.drained(here.log()))
            await until(lambda: here.told(Progressed)[-1:] != [] and _left(here) == 2, "a count of 2")
            assert asyncio.get_running_loop().time() - began >= 0.05
            other.close()
            await until(lambda: _left(here) == 1, "a count of 1")
            assert not draining.done()
            one.close()
            await draining
            assert _left(here) == 0
            await rotation.still_out(here.log())
            assert (tmp_path / "web1").exists()
            await rotation.give_back(here.log())
            assert not (tmp_path / "web1").exists()


async def test_a_request_that_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is never answered fails the drain, which shows its connection."""
    monkeypatch.setattr(quiet_port, "_LOOK_AGAIN", 0.02)

    async with web_app("web1", port=0) as app:
        here = Shop({"web1": app}, [], {})
        settings = inventory(here, drain=alone(tmp_path, app.port, "100ms"))
        async with site(here, settings) as where:
            rotation = page_rotation(here, where)
            running = await hold(app)
            await rotation.leave(here.log())
            message = rf"not drained within 0\.1 s: 1 connection to port {app.port}"
            with pytest.raises(StepFailure, match=message) as raised:
                await rotation.drained(here.log())
            assert f"{app.host}:{app.port}" in "".join(raised.value.tail)
            running.close()


def _left(here: Shop) -> int | None:
    return here.told(Progressed)[-1].sessions
