"""Inventories and what load balancers show, made up in one line each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rollout.domain import AdminState, CheckResult, OperationalState, Reading, Server, ServerState
from rollout.inventory import Inventory

UP = ServerState(
    server=Server("lb1", "shop", "web1"),
    address="192.0.2.1",
    port=8000,
    status="UP",
    admin=AdminState.READY,
    operational=OperationalState.RUNNING,
    sessions=0,
    queued=0,
    busy_connections=0,
    weight=1,
    configured_weight=1,
    backup=False,
    checked=True,
    check_status="L7OK",
    check_health=4,
    check_result=CheckResult.PASSED,
    agent_checked=False,
    tracks="",
    total_sessions=100,
)


def server(path: str, *, on: str = "lb1") -> Server:
    """`shop/web1` on a load balancer."""
    backend, name = path.split("/")
    return Server(on, backend, name)


def state(path: str = "shop/web1", *, on: str = "lb1", **changes: Any) -> ServerState:
    """A server that is up and idle, with `changes`."""
    return replace(UP, server=server(path, on=on), **changes)


def reading(*states: ServerState, on: str = "lb1") -> Reading:
    return Reading(load_balancer=on, version="3.0.11", pid=1, uptime=60, started=0, servers=states)


def inventory(**changes: Any) -> Inventory:
    """Three nodes behind one load balancer, with `changes` to its sections."""
    sections: dict[str, Any] = {
        "service": "shop",
        "load_balancers": {"lb1": {"haproxy": "unix:///run/haproxy.sock"}},
        "nodes": {f"web{number}": {"host": f"10.0.0.1{number}"} for number in (1, 2, 3)},
        "restart": {"systemd": "shop.service"},
    }
    return Inventory.model_validate({**sections, **changes})
