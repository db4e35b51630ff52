"""What a deployment will do is decided before anything is touched, and refused where it is not clear."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.domain import AdminState, OperationalState, Reading, Server, Step
from rollout.errors import Refused, UsageError
from rollout.inventory import Inventory
from rollout.plan import (
    Placement,
    capacity,
    last_of_backend,
    lines,
    out_of_rotation,
    place,
    require_found,
    select,
)
from tests.support.states import inventory, reading, server, state

DRAINED: dict[str, Any] = {"admin": AdminState.FORCED_DRAIN, "status": "DRAIN"}
MAINT: dict[str, Any] = {
    "admin": AdminState.FORCED_MAINT,
    "operational": OperationalState.STOPPED,
    "status": "MAINT",
}
DOWN: dict[str, Any] = {"operational": OperationalState.STOPPED, "status": "DOWN"}


def placed(given: Inventory, *readings: Reading, **addresses: str) -> Placement:
    """The placement, with the inventory's hosts as addresses where none are given."""
    known = {name: frozenset({node.host}) for name, node in given.nodes.items()}
    known |= {name: frozenset(address.split()) for name, address in addresses.items()}
    return place(given, readings, known)


def two_balancers(**first: Any) -> Inventory:
    sockets = {name: {"haproxy": f"unix:///run/{name}.sock"} for name in ("lb1", "lb2")}
    return inventory(load_balancers={**sockets, "lb1": {**sockets["lb1"], **first}})


def test_a_node_is_found_by_its_name_wherever_its_server_points() -> None:
    """A server that bears a node's name is that node, though it is at an address nobody knows."""
    found = placed(inventory(), reading(state("shop/web1", address="192.0.2.7")))
    assert found == {"web1": (server("shop/web1"),), "web2": (), "web3": ()}


def test_a_node_is_found_by_its_address_whatever_its_server_is_called() -> None:
    """A server of another name belongs to the node at its address."""
    found = placed(inventory(), reading(state("shop/srv7", address="10.0.0.12")))
    assert found["web2"] == (server("shop/srv7"),)


def test_a_node_is_several_servers() -> None:
    """Every backend of every load balancer is searched, and several ports of one backend are all found."""
    first = reading(
        state("shop/web1"),
        state("shop/web1-b", address="10.0.0.11", port=8001),
        state("api/a", address="10.0.0.11"),
    )
    second = reading(state("shop/web1", on="lb2"), on="lb2")
    found = placed(two_balancers(), first, second)
    assert found["web1"] == (
        server("shop/web1"),
        server("shop/web1-b"),
        server("api/a"),
        server("shop/web1", on="lb2"),
    )


def test_a_given_server_name_is_the_only_way_to_find_the_node() -> None:
    """With `server:`, neither the node's own name nor its address counts."""
    nodes = {"web1": {"host": "10.0.0.11", "server": "shop-a"}, "web2": {"host": "10.0.0.12"}}
    found = placed(
        inventory(nodes=nodes),
        reading(
            state("shop/shop-a", address="192.0.2.1"),
            state("shop/web1", address="192.0.2.2"),
            state("admin/x", address="10.0.0.11"),
        ),
    )
    assert found == {"web1": (server("shop/shop-a"),), "web2": ()}


def test_backends_narrow_the_search() -> None:
    """Servers of backends that are not listed are nobody's, on that load balancer alone."""
    first = reading(state("shop/web1"), state("api/web1"))
    second = reading(state("api/web1", on="lb2"), on="lb2")
    found = placed(two_balancers(backends=["shop"]), first, second)
    assert found["web1"] == (server("shop/web1"), server("api/web1", on="lb2"))


def test_an_unknown_backend_is_refused_with_the_right_spelling() -> None:
    """A mistyped backend would leave its servers serving."""
    with pytest.raises(Refused, match=r"lb1 has no backend shpo with servers; did you mean shop\?"):
        placed(two_balancers(backends=["shpo"]), reading(state("shop/web1")))


def test_an_unknown_backend_without_a_near_one_lists_what_there_is() -> None:
    """Where nothing is near, the backends that there are help; and it may be none."""
    with pytest.raises(Refused, match="lb1 has no backend zzz with servers; it has api, shop"):
        placed(two_balancers(backends=["zzz"]), reading(state("shop/web1"), state("api/web1")))
    with pytest.raises(Refused, match="it has none"):
        placed(two_balancers(backends=["zzz"]), reading())


def test_a_server_at_an_address_of_two_nodes_is_refused() -> None:
    """Nobody can know which of them it is, so nothing is guessed; all such servers are told at once."""
    nodes = {"a": {"host": "10.0.0.11"}, "b": {"host": "10.0.0.11"}}
    shown = reading(state("shop/x", address="10.0.0.11"), state("shop/y", address="10.0.0.11", port=8001))
    with pytest.raises(Refused) as caught:
        placed(inventory(nodes=nodes), shown)
    assert str(caught.value).splitlines() == [
        "shop/x on lb1 at 10.0.0.11:8000 may be any of a, b: give each its `server:` name",
        "shop/y on lb1 at 10.0.0.11:8001 may be any of a, b: give each its `server:` name",
    ]


def test_nodes_that_share_an_address_are_told_apart_by_name() -> None:
    """Several nodes on one machine, each with a port of its own, are found by their servers' names."""
    nodes = {"a": {"host": "127.0.0.1"}, "b": {"host": "127.0.0.1", "server": "blue"}}
    shown = reading(state("shop/a", address="127.0.0.1"), state("shop/blue", address="127.0.0.1"))
    found = placed(inventory(nodes=nodes), shown)
    assert found == {"a": (server("shop/a"),), "b": (server("shop/blue"),)}


def test_a_server_with_one_nodes_name_at_another_nodes_address_is_refused() -> None:
    """Taking it for either could restart a machine that serves."""
    with pytest.raises(Refused, match=r"shop/web1 on lb1 is named like web1, but is at the address of web2"):
        placed(inventory(), reading(state("shop/web1", address="10.0.0.12")))


def test_a_given_server_name_wins_over_another_nodes_address() -> None:
    """Who writes `server:` has said which node it is."""
    nodes = {"web1": {"host": "10.0.0.11", "server": "one"}, "web2": {"host": "10.0.0.12"}}
    found = placed(inventory(nodes=nodes), reading(state("shop/one", address="10.0.0.12")))
    assert found == {"web1": (server("shop/one"),), "web2": ()}


def test_nodes_may_swap_their_names() -> None:
    """`server:` may be what another node is called, and then names that server alone."""
    nodes = {
        "web1": {"host": "10.0.0.11", "server": "web2"},
        "web2": {"host": "10.0.0.12", "server": "web1"},
    }
    found = placed(inventory(nodes=nodes), reading(state("shop/web1"), state("shop/web2")))
    assert found == {"web1": (server("shop/web2"),), "web2": (server("shop/web1"),)}


def test_ipv6_and_several_addresses() -> None:
    """A node whose name has many addresses is found at any of them."""
    found = placed(
        inventory(),
        reading(state("shop/six", address="2001:db8::1"), state("shop/four", address="192.0.2.9")),
        web3="2001:db8::1 192.0.2.9",
    )
    assert found["web3"] == (server("shop/six"), server("shop/four"))


def test_a_server_without_an_address_is_nobodys() -> None:
    """HAProxy shows `-` for a UNIX server; a node whose name could not be looked up is not at it."""
    found = placed(inventory(), reading(state("shop/unix", address="-")), web1="", web2="", web3="")
    assert not any(found.values())


def test_nodes_on_no_load_balancer_are_refused_together() -> None:
    """Every lost node is named with its host, and where it was looked for."""
    given = two_balancers()
    found = placed(given, reading(state("shop/web2")))
    with pytest.raises(Refused) as caught:
        require_found(given, ["web1", "web2", "web3"], found)
    assert str(caught.value).splitlines() == [
        "web1 (10.0.0.11) is no server on lb1, lb2, by name or by address",
        "web3 (10.0.0.13) is no server on lb1, lb2, by name or by address",
    ]
    require_found(given, ["web2"], found)


def test_select_keeps_the_order_of_the_inventory() -> None:
    """Whatever order `--limit` has, and however often it names a node."""
    assert select(inventory(), ["web3", "web1", "web3"]) == ("web1", "web3")
    assert select(inventory(), []) == ("web1", "web2", "web3")


def test_select_refuses_unknown_nodes() -> None:
    """All of them are named, with the nearest name, or with all names where none is near."""
    with pytest.raises(UsageError, match="has no node 'wbe1', 'zzz'") as caught:
        select(inventory(), ["wbe1", "web2", "zzz"])
    assert caught.value.hint == "did you mean web1?"
    with pytest.raises(UsageError) as caught:
        select(inventory(), ["zzz"])
    assert caught.value.hint == "its nodes are web1, web2, web3"


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
    found = lines(given, release, "web1", servers, servers if checked else ())
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
    drain, restart, ready = lines(given, None, "web1", [server("shop/web1")], ())
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
