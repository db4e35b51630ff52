"""What many servers have in common is shown once, and what differs stays visible."""

from __future__ import annotations

from rollout.decisions.capacity import Capacity
from rollout.decisions.node_state import NodeStatus, SiteStatus
from rollout.decisions.plan import Plan
from rollout.decisions.preview import node_lines
from rollout.domain import AdminState, NodeState, Server, ServerBefore, ServerState
from rollout.views import status
from rollout.views.many import FEW, commands, servers
from rollout.views.plan import PlanView
from tests.support.states import inventory, reading, state

BACKENDS = [f"b{number}" for number in range(1, 501)]
OWN = tuple(Server("lb1", backend, "web1") for backend in BACKENDS)


def table(*states: ServerState) -> list[str]:
    node = NodeStatus("web1", "10.0.0.11", NodeState.READY, None, states)
    return [*status.table("shop", SiteStatus((node,), (reading(*states),), {}), "")][2:]


def test_servers_are_counted_where_they_are_many() -> None:
    """Up to eight are named; of more, the first and the last on each load balancer."""
    assert servers(OWN[:2]) == "b1/web1 on lb1, b2/web1 on lb1"
    assert servers(OWN[:FEW]).count("/web1") == FEW
    assert servers([*OWN, Server("lb2", "b1", "web1")]) == (
        "500 servers (b1/web1 … b500/web1) on lb1, b1/web1 on lb2"
    )


def test_commands_for_many_servers() -> None:
    """The commands for the first stand for those that are the same for the others; anything else stays."""
    drained = [f"set server {server.path} state drain" for server in OWN]
    assert commands("; ".join(drained)) == (
        "set server b1/web1 state drain; … the same for 499 more servers, to b500/web1"
    )
    pairs = [line for each in drained for line in (each, each.replace("state drain", "health down"))]
    assert commands("; ".join([*pairs, "set server api/web1 state maint"])) == (
        "set server b1/web1 state drain; set server b1/web1 health down; "
        "… the same for 499 more servers, to b500/web1; set server api/web1 state maint"
    )
    for line in ("; ".join(drained[:FEW]), "systemctl restart shop; sleep 1", "; ".join([*drained, "x"])):
        assert commands(line) == line


def test_status_shows_what_differs() -> None:
    """Servers that show the same are one row with all of their sessions; the one that is down has its own."""
    up = [state(server.path, sessions=2) for server in OWN]
    down = state("b7/web1", status="DOWN", sessions=0)
    rows = table(*up[:6], down, *up[7:])
    assert len(rows) == 2
    assert "lb1 499 servers (b1/web1 … b500/web1)  UP" in rows[0]
    assert "998" in rows[0]
    assert "lb1 b7/web1 " in rows[1]
    assert "DOWN" in rows[1]


def test_few_servers_keep_their_order() -> None:
    """Rows of a few servers are in the order of the reading, whatever they show."""
    paths = ["shop/web1", "api/web1", "files/web1"]
    statuses = ["UP", "DOWN", "UP"]
    rows = table(*(state(path, status=word) for path, word in zip(paths, statuses, strict=True)))
    assert [path for row in rows for path in paths if path in row] == paths


def test_a_plan_for_many_backends_is_a_page() -> None:
    """The plan of a node in 500 backends, warmed up in ten steps, takes no more lines than one of a few."""
    weights = tuple(range(10, 100, 10))
    before = {server: ServerBefore(AdminState.READY, 100, weights) for server in OWN}
    here = inventory(load_balancers={"lb1": {"haproxy": "unix:///run/haproxy.sock"}})
    capacity = [Capacity("lb1", backend, 3, 2, 1) for backend in BACKENDS]
    capacity[3] = Capacity("lb1", "b4", 2, 1, 1)
    plan = Plan("shop", None, ("web1",), {}, (1,), 0, 1, {"web1": OWN}, tuple(capacity), before=before)
    lines = {"web1": node_lines(here, None, "web1", OWN, frozenset(OWN), before)}
    text = [*PlanView(here, plan, lines, []).text()]
    assert text[1] == "lb1 b1 … b500 (499 backends): 2 of 3 servers stay ready"
    assert text[2] == "lb1 b4: 1 of 2 servers stay ready"
    assert len(text) < 20
    assert max(map(len, text)) < 500
    assert len(PlanView(here, plan, lines, []).document()["nodes"][0]["servers"]) == 500
