"""Every server that a node is must be found, and nothing is guessed where it is not clear which."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.decisions.placement import Placement, place, require_found
from rollout.decisions.plan import select
from rollout.domain import AdminState, Reading
from rollout.errors import Refused, UsageError
from rollout.inventory import Inventory
from tests.support.states import inventory, reading, server, state


def placed(given: Inventory, *readings: Reading, **addresses: str) -> Placement:
    """The placement, with the inventory's hosts as addresses where none are given."""
    known = {name: frozenset({node.host}) for name, node in given.nodes.items()}
    known |= {name: frozenset(address.split()) for name, address in addresses.items()}
    return place(given, readings, known)


def two_balancers(nodes: Any = None, **first: Any) -> Inventory:
    sockets = {name: {"haproxy": f"unix:///run/{name}.sock"} for name in ("lb1", "lb2")}
    more = {"nodes": nodes} if nodes else {}
    return inventory(load_balancers={**sockets, "lb1": {**sockets["lb1"], **first}}, **more)


def test_a_node_is_found_by_its_name_wherever_its_server_points() -> None:
    """A server that bears a node's name is that node, though it is at an address nobody knows."""
    found = placed(inventory(), reading(state("shop/web1", address="192.0.2.7")))
    assert found == {"web1": (server("shop/web1"),), "web2": (), "web3": ()}


def test_a_node_is_found_by_its_address_whatever_its_server_is_called() -> None:
    """A server of another name belongs to the node at its address."""
    found = placed(inventory(), reading(state("shop/srv7", address="10.0.0.12")))
    assert found["web2"] == (server("shop/srv7"),)


def test_an_empty_slot_with_a_nodes_name_is_not_the_node() -> None:
    """Slots of a template get addresses in any order; one that has a host name of its own is no slot."""
    empty: Any = {"address": "-", "admin": AdminState.RESOLUTION_MAINT}
    found = placed(
        inventory(),
        reading(
            state("shop/web1", **empty),
            state("shop/slot3", address="10.0.0.11"),
            state("api/web1", **empty, hostname="web1.internal"),
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
    shown = reading(state("shop/a", address="127.0.0.1"), state("shop/blue", address="127.0.0.1", port=8001))
    found = placed(inventory(nodes=nodes), shown)
    assert found == {"a": (server("shop/a"),), "b": (server("shop/blue"),)}


def test_a_server_with_one_nodes_name_at_another_nodes_address_is_refused() -> None:
    """Taking it for either could restart a machine that serves."""
    with pytest.raises(Refused, match=r"shop/web1 on lb1 is named like web1, but is at the address of web2"):
        placed(inventory(), reading(state("shop/web1", address="10.0.0.12")))


def test_a_given_server_name_does_not_win_over_another_nodes_address() -> None:
    """`server:` selects: it cannot make a node of a server that is at the address of another one alone."""
    nodes = {"web1": {"host": "10.0.0.11", "server": "web1"}, "web2": {"host": "10.0.0.12", "server": "web2"}}
    swapped = reading(
        state("shop/web1", address="10.0.0.12"), state("shop/web2", address="10.0.0.11"), on="lb1"
    )
    with pytest.raises(Refused) as caught:
        placed(inventory(nodes=nodes), swapped)
    assert str(caught.value).splitlines() == [
        "shop/web1 on lb1 is at the address of web2 (10.0.0.12), but `server: web1` gives it to web1: "
        "write `server: {lb1: web2}` on web1 and `server: {lb1: web1}` on web2",
        "shop/web2 on lb1 is at the address of web1 (10.0.0.11), but `server: web2` gives it to web2: "
        "write `server: {lb1: web1}` on web2 and `server: {lb1: web2}` on web1",
    ]


def test_a_server_at_the_address_and_port_of_a_nodes_own_is_the_node_too() -> None:
    """Whatever it is called, requests to it reach the same application; two nodes at one are no sign."""
    nodes = {"web1": {"host": "10.0.0.11", "server": "one"}, "web2": {"host": "web2.example.com"}}
    shown = reading(
        state("shop/one", address="10.0.0.11"),
        state("api/first", address="10.0.0.11"),
        state("admin/first", address="10.0.0.11", port=9000),
        state("shop/web2", address="192.0.2.2"),
        state("api/second", address="192.0.2.2"),
    )
    assert placed(inventory(nodes=nodes), shown) == {
        "web1": (server("shop/one"), server("api/first")),
        "web2": (server("shop/web2"), server("api/second")),
    }
    proxied = reading(*(state(f"shop/{name}", address="127.0.0.1") for name in ("one", "web2", "other")))
    assert placed(inventory(nodes=nodes), proxied)["web2"] == (server("shop/web2"),)


def test_each_load_balancer_may_have_its_own_names() -> None:
    """What the refusal says to write is right: the same names in another order, told for each."""
    nodes = {
        "web1": {"host": "10.0.0.11", "server": {"lb2": "web2"}},
        "web2": {"host": "10.0.0.12", "server": {"lb2": "web1"}},
    }
    first = reading(state("shop/web1", address="10.0.0.11"), state("shop/web2", address="10.0.0.12"))
    second = reading(
        state("shop/web1", on="lb2", address="10.0.0.12"),
        state("shop/web2", on="lb2", address="10.0.0.11"),
        on="lb2",
    )
    found = placed(two_balancers(nodes), first, second)
    assert found == {
        "web1": (server("shop/web1"), server("shop/web2", on="lb2")),
        "web2": (server("shop/web2"), server("shop/web1", on="lb2")),
    }
    with pytest.raises(Refused, match=r"web1 on lb2 is named like web1, but is at the address of web2"):
        placed(two_balancers({name: {"host": node["host"]} for name, node in nodes.items()}), first, second)


def test_load_balancers_that_contradict_each_other_are_refused() -> None:
    """Where the addresses are nobody's `host:`, names decide; but a node cannot be where another one is."""
    nodes = {name: {"host": f"{name}.example.com"} for name in ("web1", "web2")}
    first = reading(state("shop/web1", address="192.0.2.1"), state("shop/web2", address="192.0.2.2"))
    second = reading(
        state("shop/web1", on="lb2", address="192.0.2.2"),
        state("shop/web2", on="lb2", address="192.0.2.1"),
        on="lb2",
    )
    with pytest.raises(Refused) as caught:
        placed(two_balancers(nodes), first, second)
    assert str(caught.value) == (
        "192.0.2.1:8000 is web1 as shop/web1 on lb1, but web2 as shop/web2 on lb2: set "
        "`server: {LOAD_BALANCER: NAME, …}` on both, with the names on each load balancer"
    )
    told = {name: {**node, "server": {"lb1": name, "lb2": name}} for name, node in nodes.items()}
    assert placed(two_balancers(told), first, second)["web1"][1] == server("shop/web1", on="lb2")


def test_a_site_behind_each_load_balancer_may_use_the_same_addresses() -> None:
    """Private addresses mean other machines elsewhere: nothing contradicts while each node is on one side."""
    nodes = {name: {"host": f"{name}.example.com"} for name in ("web1", "web2")}
    first = reading(state("shop/web1", address="192.0.2.1"))
    second = reading(state("shop/web2", on="lb2", address="192.0.2.1"), on="lb2")
    assert placed(two_balancers(nodes), first, second)["web2"] == (server("shop/web2", on="lb2"),)


@pytest.mark.parametrize("host", ["10.0.0.11", "first.example.com"])
def test_a_copied_host_is_refused(host: str) -> None:
    """A node that is reached where another one's server is would restart that one, while it serves."""
    nodes = {"web1": {"host": "10.0.0.11"}, "web2": {"host": host}, "web3": {"host": "10.0.0.13"}}
    shown = reading(*(state(f"shop/web{n}", address=f"10.0.0.1{n}") for n in (1, 2, 3)))
    with pytest.raises(Refused) as caught:
        placed(inventory(nodes=nodes), shown, web2="10.0.0.11")
    assert str(caught.value) == (
        f"web2 has the host {host}, where shop/web1 on lb1 is, but its own shop/web2 on lb1 is at 10.0.0.12: "
        "is its `host:` copied from another node?"
    )


def test_an_address_whose_ports_lead_to_other_machines_is_no_copy() -> None:
    """Machines behind one forwarding address differ by the port of their sshd."""
    nodes = {"web1": {"host": "10.0.0.11"}, "web2": {"host": "10.0.0.11", "ssh": {"port": 2222}}}
    shown = reading(state("shop/web1", address="10.0.0.11"), state("shop/web2", address="172.16.0.2"))
    assert placed(inventory(nodes=nodes), shown)["web2"] == (server("shop/web2"),)


def test_two_nodes_that_are_one_application_are_refused() -> None:
    """Drained as one node, the application would still be served as the other."""
    nodes = {"a": {"host": "10.0.0.11"}, "b": {"host": "10.0.0.11"}}
    shown = reading(state("shop/a", address="10.0.0.11"), state("shop/b", address="10.0.0.11"))
    with pytest.raises(
        Refused, match=r"shop/a on lb1 is a, and shop/b on lb1 is b, but both are at 10\.0\.0"
    ):
        placed(inventory(nodes=nodes), shown)


def test_a_node_is_found_by_the_host_name_that_only_haproxy_can_look_up() -> None:
    """The name in HAProxy's configuration is the node's host; letters may be large, a dot may end it."""
    nodes = {"a": {"host": "web1.internal"}, "b": {"host": "WEB2.internal"}}
    shown = reading(
        state("shop/one", address="192.0.2.1", hostname="web1.internal"),
        state("shop/two", address="-", hostname="web2.internal."),
    )
    found = placed(inventory(nodes=nodes), shown, a="", b="")
    assert found == {"a": (server("shop/one"),), "b": (server("shop/two"),)}
    with pytest.raises(Refused, match="named like a, but is at the address of b"):
        placed(inventory(nodes=nodes), reading(state("shop/a", hostname="web2.internal")), a="", b="")


def test_the_slots_of_a_template_are_found_by_their_addresses() -> None:
    """HAProxy fills them in any order: what a slot is called says nothing, and an empty one is nobody's."""
    full: Any = {"hostname": "shop.internal"}
    empty: Any = {"address": "-", "admin": AdminState.RESOLUTION_MAINT}
    found = placed(
        inventory(),
        reading(
            state("shop/web1", address="10.0.0.13", **full),
            state("shop/web2", address="10.0.0.11", **full),
            state("shop/web3", **full, **empty),
            state("api/web1", **empty, srv_record="_http._tcp.internal"),
            state("api/web2", address="0.0.0.0", admin=AdminState.CONFIGURED_MAINT | AdminState.FORCED_MAINT),
        ),
    )
    assert found == {"web1": (server("shop/web2"),), "web2": (), "web3": (server("shop/web1"),)}


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
