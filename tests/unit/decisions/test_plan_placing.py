"""Every server that a node is must be found, and nothing is guessed where it is not clear which."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.decisions.plan import (
    Placement,
    place,
    require_found,
    select,
)
from rollout.domain import AdminState, Reading
from rollout.errors import Refused, UsageError
from rollout.inventory import Inventory
from tests.support.states import inventory, reading, server, state


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


def test_an_empty_slot_with_a_nodes_name_is_not_the_node() -> None:
    """Slots of a template get addresses in any order; a node that has none is found by its name alone."""
    empty = {"address": "-", "admin": AdminState.RESOLUTION_MAINT}
    found = placed(
        inventory(),
        reading(
            state("shop/web1", **empty), state("shop/slot3", address="10.0.0.11"), state("api/web1", **empty)
        ),
    )
    assert found["web1"] == (server("shop/slot3"), server("api/web1"))


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
        "shop/x on lb1 at 10.0.0.11:8000 may be any of a, b: set `server:` on each of them",
        "shop/y on lb1 at 10.0.0.11:8001 may be any of a, b: set `server:` on each of them",
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
        "web1 (10.0.0.11) has no server on lb1, lb2, by name or by address",
        "web3 (10.0.0.13) has no server on lb1, lb2, by name or by address",
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
