"""A deployment that is killed while a node is warmed up: any verb brings the weight that it had back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
import yaml

from rollout.domain import AdminState
from tests.support.balancer import Balancer
from tests.support.begun import Begun, begin
from tests.support.rolling import CHECK
from tests.support.shop import Shop, shop

BACKENDS = {
    "shop": (*CHECK, "default-server weight 100", "server web1 {web1}", "server web2 {web2}"),
}


def inventory(here: Shop, folder: Path, over: str) -> Path:
    written = {
        "service": "shop",
        "load_balancers": {lb.name: {"haproxy": str(lb.socket())} for lb in here.balancers},
        "nodes": {name: {"host": app.host, "ssh": "local"} for name, app in here.apps.items()},
        "restart": {"command": "true"},
        "health": {"http": "http://{host}:8000/_status", "interval": "10ms"},
        "warmup": {"over": over},
        "strategy": {"bake": "0"},
    }
    path = folder / "rollout.yml"
    path.write_text(yaml.safe_dump(written))
    return path


async def run(folder: Path, *words: str) -> tuple[int, str]:
    process = await begun(folder, *words)
    async with asyncio.timeout(60):
        output = await process.stdout.read()
        return await process.wait(), output.decode()


async def begun(folder: Path, *words: str) -> Begun:
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    return await begin(*words, "-i", str(folder / "rollout.yml"), environment=environment)


async def killed_in_the_middle(folder: Path, *words: str, by: signal.Signals = signal.SIGKILL) -> int:
    """Run a verb, and end it as soon as a node stands at its first weight. Gives its exit code."""
    process = await begun(folder, *(words or ("deploy",)), "--output", "json")
    try:
        async with asyncio.timeout(60):
            async for line in process.stdout:
                if str(json.loads(line).get("detail")).startswith("weight 10 of 101"):
                    process.send_signal(by)
                    return await process.wait()
        raise AssertionError("it was not warmed up")
    finally:
        await process.end()


async def weights(here: Shop, node: str = "web1") -> list[tuple[AdminState, int]]:
    return [(state.admin, state.weight) for state in (await here.states(node)).values()]


@pytest.mark.parametrize("verb", ["restore", "deploy"])
async def test_the_weight_comes_back(haproxy_binary: Path, tmp_path: Path, verb: str) -> None:
    """`status` shows what is missing; then the weight is back, although it was not the configured one."""
    async with shop(haproxy_binary, BACKENDS) as here:
        await here.haproxies["lb1"].send(["set server shop/web1 weight 101"])
        inventory(here, tmp_path, "30s")
        await killed_in_the_middle(tmp_path)
        assert await weights(here) == [(AdminState.READY, 10)]
        _, told = await run(tmp_path, "status")
        assert "10 of 101" in told
        assert "put web1 back: rollout restore" in told
        inventory(here, tmp_path, "100ms")
        code, told = await run(tmp_path, verb)
        assert code == 0, told
        assert await weights(here) == [(AdminState.READY, 101)]
        assert "10 of 101" not in (await run(tmp_path, "status"))[1]


async def test_ready_that_is_interrupted_puts_it_back(haproxy_binary: Path, tmp_path: Path) -> None:
    """Ctrl-C while a node that was drained by hand is warmed up: it serves, with all of its weight."""
    async with shop(haproxy_binary, BACKENDS) as here:
        await here.haproxies["lb1"].send(["set server shop/web1 weight 101"])
        inventory(here, tmp_path, "30s")
        code, told = await run(tmp_path, "drain", "web1")
        assert code == 0, told
        assert await killed_in_the_middle(tmp_path, "ready", "web1", by=signal.SIGINT) == 130
        assert await weights(here) == [(AdminState.READY, 101)]


async def test_after_a_reload_as_well(haproxy_binary: Path, tmp_path: Path) -> None:
    """HAProxy's new process forgot both the weight of the step and the one that it had."""
    async with shop(haproxy_binary, BACKENDS) as here:
        balancer: Balancer = here.balancers[0]
        await here.haproxies["lb1"].send(["set server shop/web1 weight 101"])
        inventory(here, tmp_path, "30s")
        await killed_in_the_middle(tmp_path)
        await balancer.reload()
        code, told = await run(tmp_path, "restore")
        assert code == 0, told
        assert await weights(here) == [(AdminState.READY, 101)]


async def test_what_somebody_set_since_stays(haproxy_binary: Path, tmp_path: Path) -> None:
    """A weight that is none of the warm-up's is theirs."""
    async with shop(haproxy_binary, BACKENDS) as here:
        await here.haproxies["lb1"].send(["set server shop/web1 weight 101"])
        inventory(here, tmp_path, "30s")
        await killed_in_the_middle(tmp_path)
        await here.haproxies["lb1"].send(["set server shop/web1 weight 33"])
        code, told = await run(tmp_path, "restore")
        assert code == 0, told
        assert await weights(here) == [(AdminState.READY, 33)]
