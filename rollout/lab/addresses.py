"""Free loopback addresses, so that a lab's inventory reads like a real one."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from rollout.errors import UsageError

_NETWORKS_TRIED = 10
_PORTS_TRIED = 50


@dataclass(frozen=True, slots=True)
class Addresses:
    """A /24 network of loopback addresses, and ports that are free on those that the lab uses."""

    network: str
    """Its first three numbers, such as `127.83.12`."""
    ssh: int
    """Port of every sshd."""
    app: int
    """Port of the application on every node."""
    http: int
    """Port of every HAProxy."""

    def node(self, number: int) -> str:
        """The address of a node. They count from 1."""
        return f"{self.network}.{10 + number}"

    def load_balancer(self, number: int) -> str:
        """The address of a load balancer. They count from 1."""
        return f"{self.network}.{1 + number}"


def free_addresses(nodes: int, load_balancers: int) -> Addresses:
    """Addresses for that many machines, with ports 2222, 8000 and 8080, or the next free ones.

    Raises UsageError.
    """
    for _ in range(_NETWORKS_TRIED):
        network = f"127.{random.randint(16, 254)}.{random.randint(0, 254)}"  # noqa: S311 - no secret
        servers = [f"{network}.{10 + number}" for number in range(1, nodes + 1)]
        balancers = [f"{network}.{1 + number}" for number in range(1, load_balancers + 1)]
        ssh = _free_port(servers + balancers, 2222)
        app = _free_port(servers, 8000)
        http = _free_port(balancers, 8080)
        if ssh and app and http:
            return Addresses(network, ssh, app, http)
    raise UsageError("The lab found no free addresses in 127.0.0.0/8: it needs Linux's loopback network")


def _free_port(hosts: Sequence[str], wanted: int) -> int | None:
    """The first port from `wanted` on that is free on all hosts; `None` if none is."""
    for port in range(wanted, wanted + _PORTS_TRIED):
        if all(_can_bind(host, port) for host in hosts):
            return port
    return None


def _can_bind(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
