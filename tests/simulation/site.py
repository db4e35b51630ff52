"""A random site, from a seed: what an inventory says, and the load balancers that it is about."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from rollout.inventory.model import Inventory
from tests.simulation import gaps
from tests.simulation.checking import Check
from tests.simulation.machine import PREPARE, RELEASE, RESTART, RESTART_WORKER
from tests.simulation.node import PAGE, PORT, Release, SimNode
from tests.simulation.process import BackendConfig, ServerConfig

OLD, NEW = "1.0", "1.1"
DRAIN_FILE = "/run/shop/drain"
LONGEST = 0.6
"""Seconds that a slow request takes; every drain has more time."""

_FINE = (Release(), Release(start=0.0), Release(start=0.7), Release(start=0.4, listens_at_once=True))
_BROKEN = (
    Release(start=1e9),
    Release(page_fails=True),
    Release(dies_after=0.05),
    Release(dies_after=0.4, comes_back_after=0.3),
    Release(dies_after=1.5),
    Release(dies_after=2.0, comes_back_after=0.5),
    Release(dies_after=4.0),
    Release(page_flaps=0.15),
    Release(page_flaps=0.9),
    Release(page_takes=0.3),
    Release(page_takes=7.0),
)


@dataclass(frozen=True)
class Drawn:
    """What was drawn. `rolled_to` is the release that is deployed, `None` for a rolling restart."""

    inventory: Inventory
    backends: dict[str, tuple[BackendConfig, ...]]
    """By load balancer."""
    out_before: dict[str, str]
    """Nodes that someone had taken out, with the runtime command that did."""
    rolled_to: str | None
    latency: float
    rate: float
    behaviours: dict[str, Release] = field(default_factory=dict)
    """How the new process behaves, by node."""


def draw_nodes(rng: random.Random) -> list[str]:
    return [f"web{number}" for number in range(1, rng.choice((2, 3, 3, 3, 4, 4, 5, 7)) + 1)]


def draw(rng: random.Random, nodes: dict[str, SimNode], *, faulty: bool) -> Drawn:
    """`faulty` says that releases may be broken."""
    balancers = [f"lb{number}" for number in range(1, rng.choices((1, 2, 3), (60, 32, 8))[0] + 1)]
    by_page = rng.random() < 0.15
    listed = not by_page or rng.random() < 0.7
    healthy = by_page or rng.random() < 0.98
    disable_on_404 = rng.random() < (0.6 if by_page else 0.15)
    check = Check(
        inter=rng.choice((0.05, 0.1, 0.2, 0.5, 1.0)),
        rise=rng.randint(1, 3),
        fall=rng.randint(1, 3),
        fastinter=rng.choice((None, None, 0.05)),
        downinter=rng.choice((None, None, 0.1)),
        timeout=1.0,
    )
    shown = {name: name if rng.random() < 0.8 else f"app-{name}" for name in nodes}
    kinds = [
        "checked",
        *rng.choices(("checked", "tracking", "unchecked"), k=rng.choices((0, 1, 2), (65, 27, 8))[0]),
    ]
    if by_page or not healthy:
        kinds = [kind if kind != "unchecked" else "tracking" for kind in kinds]
    members = [list(nodes)] + [_some(rng, list(nodes)) for _ in kinds[1:]]
    flags = [
        (rng.random() < 0.25 and not (by_page and disable_on_404), rng.random() < 0.12, rng.random() < 0.12)
        for _ in kinds
    ]

    if not gaps.PINNED_MOVED_UNHURT:
        flags = [(cookie, shutdown and not cookie, with_backup) for cookie, shutdown, with_backup in flags]

    def backend(index: int) -> BackendConfig:
        name, kind, own = ("shop", "api", "files")[index], kinds[index], members[index]
        cookie, shutdown_on_down, with_backup = flags[index]
        return BackendConfig(
            name=name,
            cookie=cookie,
            disable_on_404=disable_on_404,
            shutdown_on_down=shutdown_on_down,
            servers=tuple(
                ServerConfig(
                    name=shown[node],
                    node=nodes[node],
                    weight=rng.choice((1, 1, 1, 10)),
                    backup=with_backup and len(own) > 2 and node == own[-1],
                    check=check if kind == "checked" else None,
                    track=f"shop/{shown[node]}" if kind == "tracking" else "",
                    slowstart=rng.choice((0.0,) * 9 + (0.5,)),
                )
                for node in own
            ),
        )

    spared = not any(shutdown for _, shutdown, _ in flags)
    out_before: dict[str, str] = {}
    if listed and len(nodes) >= 4 and rng.random() < 0.25:
        out_before[rng.choice(list(nodes))] = rng.choice(("state maint", "state drain", "weight 0"))
    rolled_to = NEW if rng.random() < 0.75 else None
    drawn = Drawn(
        inventory=_inventory(rng, nodes, balancers if listed else [], by_page, healthy, check, spared),
        backends={name: tuple(backend(index) for index in range(len(kinds))) for name in balancers},
        out_before=out_before,
        rolled_to=rolled_to,
        latency=rng.choice((0.01, 0.02, 0.03, 0.05)),
        rate=rng.choice((4.0, 8.0, 16.0)),
        behaviours=_behaviours(rng, nodes, rng.choice(_FINE), faulty=faulty),
    )
    static = [rng.random() < 0.2 for _ in kinds]
    backends = {
        name: tuple(replace(one, static=fixed) for one, fixed in zip(own, static, strict=True))
        for name, own in drawn.backends.items()
    }
    return replace(drawn, backends=backends)


def _behaviours(
    rng: random.Random, nodes: Iterable[str], good: Release, *, faulty: bool
) -> dict[str, Release]:
    """How the new process of each node behaves: now and then one is broken, or the release as such is."""
    if faulty and rng.random() < 0.08:
        return dict.fromkeys(nodes, rng.choice(_BROKEN))
    return {name: rng.choice(_BROKEN) if faulty and rng.random() < 0.12 else good for name in nodes}


def _some(rng: random.Random, nodes: list[str]) -> list[str]:
    chosen = rng.sample(nodes, rng.randint(2, len(nodes)))
    return [name for name in nodes if name in chosen]


def _restart(rng: random.Random) -> Any:
    """The restart of the application; now and then that of a worker comes after it."""
    of_application = {rng.choice(("command", "systemd")): RESTART, "timeout": "4s"}
    of_worker = {"command": RESTART_WORKER, "timeout": "4s"}
    return [of_application, of_worker] if rng.random() < 0.25 else of_application


def _inventory(
    rng: random.Random,
    nodes: dict[str, SimNode],
    balancers: list[str],
    by_page: bool,
    healthy: bool,
    check: Check,
    spared: bool,
) -> Inventory:
    """`spared` says that maintenance ends no request on any server, so that pinned clients may be moved."""
    leaving = check.inter * check.fall + check.timeout if by_page else 0.0
    returning = check.inter * check.rise + check.timeout if by_page else 0.0
    drain: dict[str, Any] = {
        "timeout": f"{leaving + rng.choice((1.5, 2, 3)):.3f}s",
        "on_timeout": rng.choice(("abort", "abort", "abort", "close")),
        "pinned": rng.choice((None, "wait", "move", "move")) if spared else None,
    }
    if by_page:
        drain["health_page"] = {"file": DRAIN_FILE, "settle": f"{leaving + 0.3:.3f}s"}
        if not balancers:
            drain["health_page"]["port"] = PORT
    written: dict[str, Any] = {
        "service": "shop",
        "load_balancers": {name: {"haproxy": f"unix:///run/{name}.sock"} for name in balancers},
        "nodes": {name: {"host": node.address} for name, node in nodes.items()},
        "drain": drain,
        "restart": _restart(rng),
        "strategy": {
            "canary": rng.choice((0, 0, 1, 2)),
            "window": rng.choice((1, 1, 1, 2, 3, "25%", "50%", "100%")) if balancers else 1,
            "bake": rng.choice((0, "400ms", None)),
            "max_failures": rng.choice((0, 0, 1, 2)),
        },
    }
    if rng.random() < 0.85:
        written["release"] = {"command": RELEASE, "timeout": "4s"}
    if rng.random() < 0.25:
        written["prepare"] = {"command": PREPARE, "timeout": "4s", "parallel": rng.randint(1, 3)}
    if healthy:
        written["health"] = {
            "http": f"http://{{host}}:{PORT}{PAGE}",
            "interval": rng.choice(("50ms", "100ms", "250ms")),
            "timeout": f"{returning + rng.choice((2, 3)):.3f}s",
            "successes": rng.randint(1, 3),
        }
        if "release" in written and rng.random() < 0.7:
            written["health"]["release"] = {"json": "version"}
    if balancers and not by_page and rng.random() < 0.3:
        written["warmup"] = {"over": rng.choice(("50ms", "400ms", "2s"))}
    return Inventory.model_validate(written)
