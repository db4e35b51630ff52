"""What the lab's tests ask of a lab from outside."""

from __future__ import annotations

import csv
import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rollout.lab import processes
from rollout.lab.lab import Lab
from rollout.lab.machines import LoadBalancer, Machine, Node

StartLab = Callable[..., Lab]
SOON: dict[str, Any] = {"inter": "100ms", "backend_lines": ("timeout check 5s",)}
"""HAProxy looks at a node often, and takes its time for an answer on a busy machine."""


def get(machine: Machine, path: str, timeout: float = 10.0) -> tuple[int, str]:
    connection = http.client.HTTPConnection(machine.host, machine.port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def statuses(load_balancer: LoadBalancer) -> dict[str, str]:
    """HAProxy's word for each server."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(load_balancer.socket("user")))
        connection.sendall(b"show stat -1 4 -1\n")
        reply = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    rows = csv.DictReader(reply.removeprefix("# ").splitlines())
    return {f"{row['pxname']}/{row['svname']}": row["status"] for row in rows}


def restart(node: Node, release: str) -> None:
    for script in ("release", "restart"):
        environment = os.environ | {"ROLLOUT_RELEASE": release}
        subprocess.run(["sh", str(node.folder / script)], env=environment, check=True, timeout=20)


def serves(node: Node, release: str) -> bool:
    try:
        return get(node, "/") == (200, f"shop {release} {node.name}\n")
    except OSError:
        return False


def run_cli(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rollout", "lab", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def nothing_left(directory: Path) -> bool:
    return not directory.exists() and not processes.marked(processes.mark_of(directory))
