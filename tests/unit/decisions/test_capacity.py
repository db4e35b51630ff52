"""How many servers carry the traffic of a backend, and whether some of them may leave."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.decisions.capacity import Backends, Capacity, capacity, queues, shortages
from rollout.domain import AdminState, OperationalState, Reading, Server, ServerState
from rollout.inventory.quantities import Amount
from tests.support.states import reading, server, state

DRAINED: dict[str, Any] = {"admin": AdminState.FORCED_DRAIN, "status": "DRAIN"}
MAINT: dict[str, Any] = {
    "admin": AdminState.FORCED_MAINT,
    "operational": OperationalState.STOPPED,
    "status": "MAINT",
}
DOWN: dict[str, Any] = {"operational": OperationalState.STOPPED, "status": "DOWN"}
IDLE = [DRAINED, MAINT, DOWN, {"weight": 0}]


def last(states: Sequence[ServerState], own: Collection[Server]) -> list[str]:
    return list(shortages(states, own, None).values())


def shop(*changes: dict[str, Any]) -> list[ServerState]:
    """The servers web1, web2, … of one backend."""
    return [state(f"shop/web{number}", **change) for number, change in enumerate(changes, start=1)]


def short(
    states: Sequence[ServerState],
    own: str,
    min_ready: str,
    *,
    out: Collection[Server] = (),
    back: Collection[Server] = (),
) -> str:
    backends = Backends(states)
    backends.bring_back(back)
    return "; ".join(backends.shortages([server(own)], Amount.parse(min_ready), out=out).values())


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
    assert last(states, own) == []
    for gone in (1, 3, 5):
        left = [one for index, one in enumerate(states) if index != gone]
        where = states[gone - 1].server
        assert last(left, own) == [f"{where} is the last server that takes traffic in its backend"]


@pytest.mark.parametrize("changes", [*IDLE, {"backup": True}])
def test_a_peer_that_takes_no_traffic_is_no_peer(changes: dict[str, Any]) -> None:
    """Drained, in maintenance, down, of weight 0 or only a backup: the node is the last one all the same."""
    assert last([state("shop/web1"), state("shop/web2", **changes)], [server("shop/web1")])


@pytest.mark.parametrize("changes", IDLE)
def test_a_server_that_takes_no_traffic_leaves_no_gap(changes: dict[str, Any]) -> None:
    """Taking out what is out already changes nothing, however few others there are."""
    assert last([state("shop/web1", **changes)], [server("shop/web1")]) == []


def test_two_servers_of_one_node_do_not_stand_in_for_each_other() -> None:
    """They leave together."""
    states = [state("shop/web1"), state("shop/web1-b", port=8001)]
    assert last(states, [one.server for one in states])


def test_a_backup_that_carries_a_backend_alone_is_its_last_server() -> None:
    """With every active server down the backup serves; beside an active one it may go."""
    backup = state("shop/web1", backup=True)
    own = [backup.server]
    assert last([backup, state("shop/web2", **DOWN)], own)
    assert last([backup, state("shop/web2")], own) == []
    assert last([backup, state("shop/web2", backup=True)], own) == []


def by_name(*names: str, path: str = "shop/{}", on: str = "lb1") -> dict[str, tuple[Server, ...]]:
    return {name: (server(path.format(name), on=on),) for name in names}


def least(found: tuple[Any, ...]) -> list[tuple[str, str, int, int]]:
    return [(one.load_balancer, one.backend, one.now, one.least) for one in found]


@pytest.mark.parametrize(("window", "left"), [(1, 3), (2, 2), (3, 1), (9, 1)])
def test_capacity_is_what_is_left_while_the_window_is_out(window: int, left: int) -> None:
    """Four servers of which three nodes are rolled: the window takes at most those three."""
    states = reading(*(state(f"shop/web{number}") for number in (1, 2, 3, 4)))
    nodes = ("web1", "web2", "web3")
    assert least(capacity([states], nodes, by_name(*nodes), window, None)) == [("lb1", "shop", 4, left)]


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
    assert least(capacity([states], nodes, by_name(*nodes), 4, None)) == [("lb1", "shop", 2, 2)]


def test_capacity_supposes_the_nodes_with_the_most_servers_are_out() -> None:
    """A node may be several servers of a backend: the worst choice of nodes counts, in each backend."""
    states = reading(
        state("shop/web1"), state("shop/web1-b"), state("shop/web1-c"), state("shop/web2"), state("api/web2")
    )
    placement = {
        "web1": (server("shop/web1"), server("shop/web1-b"), server("shop/web1-c")),
        "web2": (server("shop/web2"), server("api/web2")),
    }
    found = least(capacity([states], ("web1", "web2"), placement, 1, None))
    assert found == [("lb1", "api", 1, 1), ("lb1", "shop", 4, 1)]


def test_capacity_of_each_load_balancer_is_its_own() -> None:
    """A backend of the same name elsewhere, and backends without our nodes, are not counted."""
    first = reading(state("shop/web1"), state("shop/web2"), state("blog/b1"))
    second = reading(state("shop/web1", on="lb2"), on="lb2")
    placement = {"web1": (server("shop/web1"), server("shop/web1", on="lb2")), "web2": (server("shop/web2"),)}
    found = least(capacity([first, second], ("web1", "web2"), placement, 1, None))
    assert found == [("lb1", "shop", 2, 1), ("lb2", "shop", 1, 1)]


@pytest.mark.parametrize(("window", "left"), [(3, 1), (4, 1), (50, 1)])
def test_capacity_is_what_the_gate_keeps(window: int, left: int) -> None:
    """However wide the window is, the last server never leaves; where an outage is allowed, it does."""
    states = reading(*shop({}, {}, {}, {}))
    nodes = ("web1", "web2", "web3", "web4")
    assert least(capacity([states], nodes, by_name(*nodes), window, None)) == [("lb1", "shop", 4, left)]
    opened = capacity([states], nodes, by_name(*nodes), window, None, allow_outage=True)
    assert least(opened) == [("lb1", "shop", 4, max(0, 4 - window))]


@given(
    sizes=st.lists(st.integers(0, 3), min_size=1, max_size=6),
    window=st.integers(1, 7),
    floor=st.integers(1, 5),
)
def test_capacity_is_the_least_that_any_order_reaches(sizes: list[int], window: int, floor: int) -> None:
    """Nodes that are several servers each leave in any order, each only if `shortages` lets it."""
    placement = {
        f"web{number}": tuple(server(f"shop/web{number}-{index}") for index in range(size))
        for number, size in enumerate(sizes)
    }
    states = [state("shop/other"), *(state(own.path) for servers in placement.values() for own in servers)]
    least_seen = len(states)

    def leave(away: frozenset[str]) -> None:
        nonlocal least_seen
        out = {own for name in away for own in placement[name]}
        least_seen = min(least_seen, len(states) - len(out))
        for name in placement.keys() - away if len(away) < window else ():
            if not shortages(states, placement[name], Amount(count=floor), out=out):
                leave(away | {name})

    leave(frozenset())
    found = capacity([reading(*states)], [*placement], placement, window, Amount(count=floor))
    assert [one.least for one in found] == ([least_seen] if any(sizes) else [])


EMPTY: list[dict[str, Any]] = [
    {"address": "-", "admin": AdminState.RESOLUTION_MAINT, "operational": OperationalState.STOPPED},
    {"address": "0.0.0.0", "port": 0, "admin": AdminState(5), "operational": OperationalState.STOPPED},
]


@pytest.mark.parametrize("empty", EMPTY)
def test_empty_slots_are_no_servers(empty: dict[str, Any]) -> None:
    """Of a template with ten slots of which three have an address, half is two of three."""
    slots = shop({}, {}, {}, *[empty] * 7)
    assert short(slots, "shop/web1", "50%") == ""
    told = short(slots[1:], "shop/web2", "60%")
    assert "would have 1 of its 2 servers ready, but strategy.min_ready (60%) requires 2" in told
    nodes = ("web1", "web2", "web3")
    assert capacity([reading(*slots)], nodes, by_name(*nodes), 3, Amount.parse("50%")) == (
        Capacity("lb1", "shop", 3, 2, 2),
    )


@pytest.mark.parametrize(
    "changes", [MAINT, {**MAINT, "address": "-"}, {**DOWN, "address": "0.0.0.0"}, {**DOWN, "address": "-"}]
)
def test_a_server_that_is_out_is_no_empty_slot(changes: dict[str, Any]) -> None:
    """Neither is one at a UNIX socket, nor one at the address that the client asked for."""
    assert "of its 4 servers" in short(shop({}, {}, changes, changes), "shop/web1", "50%")


@pytest.mark.parametrize(
    ("window", "min_ready", "left"), [(1, "2", 3), (3, "2", 2), (3, "60%", 3), (3, "4", 4), (3, "9", 4)]
)
def test_capacity_never_falls_below_the_floor(window: int, min_ready: str, left: int) -> None:
    """Where the window would take more than `min_ready` lets go, the fewest that are left is the floor."""
    states = reading(*shop({}, {}, {}, {}))
    nodes = ("web1", "web2", "web3", "web4")
    floor = Amount.parse(min_ready)
    found = capacity([states], nodes, by_name(*nodes), window, floor)
    assert found == (Capacity("lb1", "shop", 4, left, floor.as_minimum(4)),)


def test_too_few_are_told_with_all_numbers() -> None:
    """Which backend, on which load balancer, how many there would be, and how many are demanded."""
    states = shop({}, {}, {}, DOWN)
    assert short(states, "shop/web1", "2") == ""
    assert short(states, "shop/web1", "75%") == (
        "without web1, backend shop on lb1 would have 2 of its 4 servers ready, "
        "but strategy.min_ready (75%) requires 3"
    )
    assert "0 of its 4 servers ready, but strategy.min_ready (1) requires 1" in short(
        shop({}, DOWN, DOWN, DOWN), "shop/web1", "1"
    )


@pytest.mark.parametrize("changes", IDLE)
def test_what_takes_no_traffic_is_not_ready(changes: dict[str, Any]) -> None:
    """A server that failed, or that somebody took out, shrinks what may leave; itself it may leave freely."""
    states = shop({}, {}, changes)
    assert short(states, "shop/web1", "2")
    assert short(states, "shop/web3", "2") == ""


def test_a_share_is_of_the_servers_that_share_the_traffic() -> None:
    """Backups are no part of it, unless there is nothing else; a share is rounded up."""
    backups = shop({}, {}, {}, {"backup": True}, {"backup": True})
    assert short(backups, "shop/web1", "66%") == ""
    assert "2 of its 3 servers ready, but strategy.min_ready (67%) requires 3" in short(
        backups, "shop/web1", "67%"
    )
    assert short(shop(*[{"backup": True}] * 3), "shop/web1", "67%")


def test_a_backup_beside_active_servers_may_leave() -> None:
    """It carries nothing, so nothing is missing without it."""
    states = shop({}, {"backup": True})
    assert short(states, "shop/web2", "1") == ""


def test_each_backend_is_judged_for_itself() -> None:
    """A node in several backends of several load balancers is short in each where too few stay."""
    states = [
        *shop({}, {}, {}),
        *(state(f"api/web{n}") for n in (1, 2)),
        *(state(f"shop/web{n}", on="lb2") for n in (1, 2)),
        *(state(f"blog/b{n}") for n in (1, 2)),
    ]
    own = [server("shop/web1"), server("api/web1"), server("shop/web1", on="lb2")]
    assert list(shortages(states, own, Amount(count=2))) == [("lb1", "api"), ("lb2", "shop")]


def test_those_that_just_left_do_not_count_and_those_that_come_back_do() -> None:
    """HAProxy may still show the one as ready, and does not yet show the other."""
    states = shop({}, {}, DOWN)
    assert short(states, "shop/web1", "1") == ""
    assert short(states, "shop/web1", "1", out=[server("shop/web2")])
    assert short(states, "shop/web1", "2")
    assert short(states, "shop/web1", "2", back=[server("shop/web3")]) == ""


@given(
    up=st.lists(st.booleans(), min_size=1, max_size=8),
    amount=st.integers(1, 9).map(lambda count: Amount(count=count))
    | st.integers(1, 100).map(lambda percent: Amount(percent=percent)),
    taken=st.data(),
)
def test_what_may_leave_leaves_the_floor(up: list[bool], amount: Amount, taken: st.DataObject) -> None:
    """Whatever leaves through this judgement, one after the other, at least the floor stays ready."""
    states = shop(*({} if one else DOWN for one in up))
    floor = amount.as_minimum(len(up))
    out: set[Server] = set()
    for own in taken.draw(st.permutations([one.server for one in states])):
        if not shortages(states, [own], amount, out=out):
            out.add(own)
    ready = [one.server for one in states if one.in_rotation]
    left = [one for one in ready if one not in out]
    assert len(left) == min(len(ready), max(1, floor))


def queued(*states: ServerState, **backends: int) -> Reading:
    return Reading("lb1", "3.0.11", 1, 60, 0, states, backends)


def test_a_queue_is_the_backends_own_and_its_servers() -> None:
    """HAProxy counts those that wait for any server apart from those that wait for a certain one."""
    web1, web2 = shop({}, {"queued": 2})
    told = "backend shop on lb1 is at its limit: {} waiting in its queue"
    assert queues(queued(web1, web2, shop=3), [web1.server]) == {("lb1", "shop"): told.format(5)}
    assert queues(queued(web1, web2), [web1.server]) == {("lb1", "shop"): told.format(2)}
    assert queues(queued(web1, state("shop/web2"), shop=0), [web1.server]) == {}


def test_a_queue_elsewhere_holds_nobody_up() -> None:
    """Only backends in which a node carries traffic matter: one that is out comes back the sooner."""
    web1, web2 = shop({}, MAINT)
    blog = state("blog/b1", queued=7)
    assert queues(queued(web1, web2, blog, blog=3), [web1.server]) == {}
    assert queues(queued(web1, web2, shop=3), [web2.server]) == {}


def test_who_tracks_it_leaves_with_it() -> None:
    """Also by way of another one, on that load balancer alone; and comes back with it."""
    states = [
        state("shop/web1"),
        state("shop/web2"),
        state("api/one", tracks="shop/web1"),
        state("far/one", tracks="api/one"),
        state("far/one", on="lb2", tracks="api/one"),
    ]
    assert last(states, [server("shop/web1")]) == [
        "api/one on lb1 is the last server that takes traffic in its backend",
        "far/one on lb1 is the last server that takes traffic in its backend",
    ]
    two = [*states[:2], state("api/one", tracks="shop/web1"), state("api/two", tracks="shop/web2")]
    own, other = server("shop/web1"), server("shop/web2")
    assert last(two, [own]) == []
    assert list(shortages(two, [own], None, out=[other]).values()) == [
        "shop/web1 on lb1 is the last server that takes traffic in its backend",
        "api/one on lb1 is the last server that takes traffic in its backend",
    ]
