"""What a deployment will do is decided before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.domain import AdminState, OperationalState, Server, Step
from rollout.inventory import Inventory
from rollout.plan import (
    capacity,
    last_of_backend,
    lines,
    out_of_rotation,
)
from tests.support.states import inventory, reading, server, state

DRAINED: dict[str, Any] = {"admin": AdminState.FORCED_DRAIN, "status": "DRAIN"}
MAINT: dict[str, Any] = {
    "admin": AdminState.FORCED_MAINT,
    "operational": OperationalState.STOPPED,
    "status": "MAINT",
}
DOWN: dict[str, Any] = {"operational": OperationalState.STOPPED, "status": "DOWN"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        (DOWN, ""),
        (MAINT, "shop/web1 on lb1 is in maintenance"),
        ({**MAINT, "admin": AdminState.RESOLUTION_MAINT}, "shop/web1 on lb1 is in maintenance"),
        (DRAINED, "shop/web1 on lb1 is drained"),
        ({"weight": 0}, "shop/web1 on lb1 has weight 0"),
        ({"admin": AdminState.CONFIGURED_MAINT}, ""),
    ],
)
def test_somebody_elses_decision_is_told_from_a_failure(changes: dict[str, Any], reason: str) -> None:
    """A drain, a maintenance or a weight of 0 are decisions; a failing check, or a flag's memory, is none."""
    assert out_of_rotation([state("shop/web2"), state(**changes)]) == reason


def test_the_last_server_of_a_backend() -> None:
    """It is found on whichever load balancer and in whichever backend it is the last."""
    own = [server("shop/web1"), server("api/web1"), server("shop/web1", on="lb2")]
    states = [
        state("shop/web1"),
        state("shop/web2"),
        state("api/web1"),
        state("api/web2"),
        state("shop/web1", on="lb2"),
        state("shop/web2", on="lb2"),
    ]
    assert last_of_backend(states, own) == ""
    for gone in (1, 3, 5):
        left = [one for index, one in enumerate(states) if index != gone]
        where = states[gone - 1].server
        assert last_of_backend(left, own) == f"{where} is the last server that takes traffic in its backend"


@pytest.mark.parametrize("changes", [DRAINED, MAINT, DOWN, {"weight": 0}, {"backup": True}])
def test_a_peer_that_takes_no_traffic_is_no_peer(changes: dict[str, Any]) -> None:
    """Drained, in maintenance, down, of weight 0 or only a backup: the node is the last one all the same."""
    assert last_of_backend([state("shop/web1"), state("shop/web2", **changes)], [server("shop/web1")])


@pytest.mark.parametrize("changes", [DRAINED, MAINT, DOWN, {"weight": 0}])
def test_a_server_that_takes_no_traffic_leaves_no_gap(changes: dict[str, Any]) -> None:
    """Taking out what is out already changes nothing, however few others there are."""
    assert last_of_backend([state("shop/web1", **changes)], [server("shop/web1")]) == ""


def test_two_servers_of_one_node_do_not_stand_in_for_each_other() -> None:
    """They leave together."""
    states = [state("shop/web1"), state("shop/web1-b", port=8001)]
    assert last_of_backend(states, [one.server for one in states])


def test_a_backup_that_carries_a_backend_alone_is_its_last_server() -> None:
    """With every active server down the backup serves; beside an active one it may go."""
    backup = state("shop/web1", backup=True)
    own = [backup.server]
    assert last_of_backend([backup, state("shop/web2", **DOWN)], own)
    assert last_of_backend([backup, state("shop/web2")], own) == ""
    assert last_of_backend([backup, state("shop/web2", backup=True)], own) == ""


def by_name(*names: str, path: str = "shop/{}", on: str = "lb1") -> dict[str, tuple[Server, ...]]:
    return {name: (server(path.format(name), on=on),) for name in names}


def least(found: tuple[Any, ...]) -> list[tuple[str, str, int, int]]:
    return [(one.load_balancer, one.backend, one.now, one.least) for one in found]


@pytest.mark.parametrize(("window", "left"), [(1, 3), (2, 2), (3, 1), (9, 1)])
def test_capacity_is_what_is_left_while_the_window_is_out(window: int, left: int) -> None:
    """Four servers of which three nodes are rolled: the window takes at most those three."""
    states = reading(*(state(f"shop/web{number}") for number in (1, 2, 3, 4)))
    nodes = ("web1", "web2", "web3")
    assert least(capacity([states], nodes, by_name(*nodes), window)) == [("lb1", "shop", 4, left)]


def test_capacity_counts_only_servers_that_take_traffic() -> None:
    """A backup, a drained, a failing one and one of weight 0 carry nothing, so taking them costs nothing."""
    states = reading(
        state("shop/web1"),
        state("shop/web2", backup=True),
        state("shop/web3", **DRAINED),
        state("shop/web4", **DOWN),
        state("shop/web5", weight=0),
        state("shop/other"),
    )
    nodes = ("web2", "web3", "web4", "web5")
    assert least(capacity([states], nodes, by_name(*nodes), 4)) == [("lb1", "shop", 2, 2)]


def test_capacity_supposes_the_nodes_with_the_most_servers_are_out() -> None:
    """A node may be several servers of a backend: the worst choice of nodes counts, in each backend."""
    states = reading(
        state("shop/web1"), state("shop/web1-b"), state("shop/web1-c"), state("shop/web2"), state("api/web2")
    )
    placement = {
        "web1": (server("shop/web1"), server("shop/web1-b"), server("shop/web1-c")),
        "web2": (server("shop/web2"), server("api/web2")),
    }
    found = least(capacity([states], ("web1", "web2"), placement, 1))
    assert found == [("lb1", "api", 1, 0), ("lb1", "shop", 4, 1)]


def test_capacity_of_each_load_balancer_is_its_own() -> None:
    """A backend of the same name elsewhere, and backends without our nodes, are not counted."""
    first = reading(state("shop/web1"), state("shop/web2"), state("blog/b1"))
    second = reading(state("shop/web1", on="lb2"), on="lb2")
    placement = {"web1": (server("shop/web1"), server("shop/web1", on="lb2")), "web2": (server("shop/web2"),)}
    found = least(capacity([first, second], ("web1", "web2"), placement, 1))
    assert found == [("lb1", "shop", 2, 1), ("lb2", "shop", 1, 0)]


def sent(given: Inventory, release: str | None, *servers: Server, checked: bool = True) -> list[str]:
    found = lines(given, release, "web1", servers, servers if checked else (), {})
    return [f"{line.step} {line.target}: {line.text}" for line in found]


def test_the_lines_of_a_node_are_in_the_safe_order() -> None:
    """Drain, maintenance, the work, then HAProxy's fresh checks, and only then traffic."""
    given = inventory(
        release={"command": "install $ROLLOUT_RELEASE"},
        restart={"command": "restart"},
        health={"http": "http://{host}:8000/{release}"},
    )
    assert sent(given, "1.4.2", server("shop/web1"), server("api/web1"), server("shop/web1", on="lb2")) == [
        "drain lb1: set server shop/web1 state drain; set server api/web1 state drain",
        "drain lb2: set server shop/web1 state drain",
        "drain lb1: set server shop/web1 state maint; set server api/web1 state maint",
        "drain lb2: set server shop/web1 state maint",
        "release web1: install $ROLLOUT_RELEASE",
        "restart web1: restart",
        "verify web1: GET http://10.0.0.11:8000/1.4.2",
        "ready lb1: set server shop/web1 state drain; set server shop/web1 health down; "
        "set server api/web1 state drain; set server api/web1 health down",
        "ready lb2: set server shop/web1 state drain; set server shop/web1 health down",
        "ready lb1: set server shop/web1 health up; set server shop/web1 state ready; "
        "set server api/web1 health up; set server api/web1 state ready",
        "ready lb2: set server shop/web1 health up; set server shop/web1 state ready",
    ]


def test_a_rolling_restart_has_no_release_and_an_unchecked_server_no_health() -> None:
    """`health down` on a server without a check would keep it down for ever."""
    given = inventory(release={"command": "install"}, restart={"command": "restart"})
    assert sent(given, None, server("shop/web1"), checked=False) == [
        "drain lb1: set server shop/web1 state drain",
        "drain lb1: set server shop/web1 state maint",
        "restart web1: restart",
        "ready lb1: set server shop/web1 state drain",
        "ready lb1: set server shop/web1 state ready",
    ]


def test_a_health_page_that_watches_a_file_sends_nothing_to_load_balancers() -> None:
    """The node's own file drains it, with its placeholders filled and its path quoted."""
    page = {"health_page": {"file": "/run/my shop/{node}"}}
    given = inventory(drain=page, restart={"command": "restart"})
    drain, restart, ready = lines(given, None, "web1", [server("shop/web1")], (), {})
    assert (drain.step, drain.target) == (Step.DRAIN, "web1")
    assert drain.text.endswith("touch '/run/my shop/web1'")
    assert (restart.step, ready.step, ready.text) == (Step.RESTART, Step.READY, "rm -f '/run/my shop/web1'")


def test_a_health_page_that_is_told_by_requests() -> None:
    """Both requests are shown with their method and the URL that will be asked."""
    request = {
        "down": {"method": "PUT", "url": "http://{host}/drain"},
        "up": {"method": "DELETE", "url": "http://{host}/drain"},
    }
    given = inventory(drain={"health_page": {"request": request}}, restart={"command": "restart"})
    assert sent(given, None) == [
        "drain web1: PUT http://10.0.0.11/drain",
        "restart web1: restart",
        "ready web1: DELETE http://10.0.0.11/drain",
    ]
