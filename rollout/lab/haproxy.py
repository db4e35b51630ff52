"""HAProxy on the address of a load balancer: its configuration, its start, and whether it is up."""

from __future__ import annotations

import csv
import socket
import subprocess
from collections.abc import Sequence

from rollout.errors import RolloutError
from rollout.lab.files import fill
from rollout.lab.machines import LoadBalancer, Node
from rollout.lab.settings import Settings


def config(load_balancer: LoadBalancer, nodes: Sequence[Node], settings: Settings) -> str:
    """The configuration of HAProxy."""
    lines = list(settings.backend_lines)
    if settings.sticky:
        lines.append("cookie SHOP insert indirect nocache")
    for node in nodes:
        cookie = f" cookie {node.name}" if settings.sticky else ""
        lines.append(f"server {node.name} {node.host}:{node.port} check{cookie}")
    return fill(
        "haproxy.cfg",
        name=load_balancer.name,
        folder=load_balancer.folder,
        host=load_balancer.host,
        port=load_balancer.port,
        retries=settings.retries,
        redispatch="option redispatch" if settings.redispatch else "no option redispatch",
        inter=settings.inter,
        rise=settings.rise,
        fall=settings.fall,
        backend="\n".join(f"  {line}" for line in lines),
    )


def start(
    haproxy: str,
    load_balancer: LoadBalancer,
    nodes: Sequence[Node],
    settings: Settings,
    environment: dict[str, str],
) -> None:
    """Start HAProxy, which goes to the background once it listens. Raises RolloutError."""
    path = load_balancer.folder / "haproxy.cfg"
    path.write_text(config(load_balancer, nodes, settings))
    log = load_balancer.folder / "haproxy.log"
    with log.open("wb") as output:
        ended = subprocess.run(
            [haproxy, "-W", "-D", "-S", f"{load_balancer.socket('master')},mode,600", "-f", path],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    if ended.returncode:
        raise RolloutError(f"{load_balancer.name}: HAProxy did not start:\n{log.read_text().strip()}")


def all_up(load_balancer: LoadBalancer) -> bool:
    """Whether every server has passed a check, and is not merely up because none has failed yet."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(load_balancer.socket("user")))
            connection.sendall(b"show stat -1 4 -1\n")
            reply = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    except OSError:
        return False
    rows = list(csv.DictReader(reply.removeprefix("# ").splitlines()))
    return bool(rows) and all(row["status"] == "UP" and row["check_status"].endswith("L7OK") for row in rows)
