"""`restart: docker` on two nodes behind HAProxy."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.balancer import balancer
from tests.support.command import rollout, write_inventory
from tests.support.load import Load
from tests.support.loopback import own_address
from tests.support.until import until_seen

if TYPE_CHECKING:
    from conftest import Docker

CHECK = ("option httpchk GET /", "timeout check 5s", "default-server check inter 200ms rise 1 fall 20")


async def listens(host: str) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, 8000)
    except OSError:
        return False
    writer.close()
    return True


async def test_nothing_is_lost_behind_a_load_balancer(
    docker: Docker, haproxy_binary: Path, tmp_path: Path
) -> None:
    """Two containers get another image, one after the other, under load: every request is answered."""
    hosts = {"web1": own_address(), "web2": own_address()}
    for node, host in hosts.items():
        words = ("--name", f"shop-{node}", "--network", "host", "--env", f"ADDRESS={host}:8000")
        docker("run", "--detach", *words, "shop:1.4")
    servers = [f"server {node} {host}:8000" for node, host in hosts.items()]
    for host in hosts.values():
        await until_seen(functools.partial(listens, host), f"{host} to listen")
    async with balancer(haproxy_binary, {"shop": (*CHECK, *servers)}) as lb:
        sections = {
            "load_balancers": {"lb1": {"haproxy": f"unix://{lb.socket().path}"}},
            "nodes": {node: {"host": host, "ssh": "local"} for node, host in hosts.items()},
            "restart": {"docker": {"container": "shop-{node}", "image": "shop:$ROLLOUT_RELEASE"}},
            "health": {"http": "http://{host}:8000/", "body": "1.5", "interval": "50ms"},
            "strategy": {"bake": "0"},
        }
        inventory = write_inventory(tmp_path / "shop.yml", sections)
        with Load(lb.host, lb.port("shop"), rate=40.0) as load:  # a process of busybox for each
            words = ("deploy", "--release", "1.5")
            done = await asyncio.to_thread(rollout, *words, inventory=inventory)
        assert done.returncode == 0, done.stdout + done.stderr
        print(f"{len(load.lost)} of {len(load.answers)} requests lost")  # noqa: T201
        assert not load.lost, (load.lost, done.stdout)
        assert {answer.body for answer in load.answers} == {"1.4\n", "1.5\n"}
        assert load.answers[-1].body == "1.5\n"
    assert docker.containers() == {"shop-web1": "shop:1.5", "shop-web2": "shop:1.5"}
