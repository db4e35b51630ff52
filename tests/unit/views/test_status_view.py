"""The status of a service, as a table and as a document: what could not be asked is a row, no crash."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from rollout.decisions.fold import fold
from rollout.decisions.memory import LeftOut
from rollout.decisions.node_state import HealthSeen, NodeStatus, SiteStatus
from rollout.decisions.progress import Progress
from rollout.domain import AdminState, NodeState, OperationalState, ServerState, Step
from rollout.events import Record
from rollout.views.status import advice, deployment_line, document, left_out_lines, table
from tests.support.states import reading, state

WELL = HealthSeen(healthy=True, status=200, release="1.4.2", detail="")
DOWN = "lb2: unix:///run/lb2.sock does not exist"


def node(
    *servers: ServerState,
    name: str = "web1",
    is_: NodeState = NodeState.READY,
    health: HealthSeen | None = WELL,
) -> NodeStatus:
    return NodeStatus(name=name, host="10.0.0.11", state=is_, health=health, servers=servers)


def site(*nodes: NodeStatus, unreachable: dict[str, str] | None = None) -> SiteStatus:
    states = [state for one in nodes for state in one.servers]
    return SiteStatus(nodes, (reading(*states),), unreachable or {})


def rows(status: SiteStatus) -> list[list[str]]:
    """The cells of the table, without its first line and its header."""
    _, header, *lines = table("shop", status, "not deployed yet")
    columns = [header.index(f" {name}") for name in header.split()]
    ends = [*columns[1:], None]
    return [
        [line[begin:end].strip() for begin, end in zip(columns, ends, strict=True)]
        if line.startswith("  ")
        else [line]
        for line in lines
    ]


def test_a_row_for_each_server() -> None:
    """What the node is stands once, and each of its servers with what its load balancer shows."""
    draining = state(
        "api/web1",
        on="lb2",
        status="DRAIN",
        admin=AdminState.FORCED_DRAIN,
        sessions=3,
        queued=2,
        old_sessions=1,
        weight=10,
    )
    unchecked = state("shop/web2", checked=False, check_status="", status="no check")
    found = rows(
        site(
            node(state("shop/web1", weight=100), draining, is_=NodeState.DRAINING),
            node(unchecked, name="web2"),
        )
    )
    assert found == [
        ["web1", "draining", "1.4.2", "200", "lb1 shop/web1", "UP", "ready", "L7OK", "0", "100"],
        ["", "", "", "", "lb2 api/web1", "DRAIN", "drain", "L7OK", "3 +2 queued +1 old", "10"],
        ["web2", "ready", "1.4.2", "200", "lb1 shop/web2", "no check", "ready", "none", "0", "1"],
    ]


def test_the_first_line_is_about_the_deployment() -> None:
    """Service and deployment, before the header."""
    assert next(table("shop", site(node()), "deployment 17 runs")) == "shop · deployment 17 runs"


@pytest.mark.parametrize(
    ("admin", "word"),
    [
        (AdminState.READY, "ready"),
        (AdminState.FORCED_DRAIN, "drain"),
        (AdminState.INHERITED_DRAIN, "drain"),
        (AdminState.FORCED_MAINT, "maint"),
        (AdminState.RESOLUTION_MAINT, "maint"),
        (AdminState.FORCED_MAINT | AdminState.FORCED_DRAIN, "maint"),
        (AdminState.CONFIGURED_MAINT, "ready"),
    ],
)
def test_an_admin_state_is_a_word(admin: AdminState, word: str) -> None:
    """In the table and in the document alike."""
    status = site(node(state(admin=admin)))
    assert rows(status)[0][6] == word
    assert document("shop", status, None, "")["nodes"][0]["servers"][0]["admin"] == word


@pytest.mark.parametrize(
    ("health", "release", "shown"),
    [
        (WELL, "1.4.2", "200"),
        (None, "–", "–"),
        (HealthSeen(False, 503, None, "answered 503, not 200"), "–", "503 (answered 503, not 200)"),
        (HealthSeen(False, 200, "1", "its answer does not contain 'ok'"), "1", "200 (its answer does not"),
        (HealthSeen(False, None, None, "connection refused"), "–", "connection refused"),
    ],
)
def test_health_is_a_status_or_a_reason(health: HealthSeen | None, release: str, shown: str) -> None:
    """What is wrong is told, whether an answer came or not."""
    (row,) = rows(site(node(state(), health=health)))
    assert row[2] == release
    assert row[3].startswith(shown)


def test_a_load_balancer_that_does_not_answer_is_a_row_of_every_node() -> None:
    """Beside what the others show, with the reason below the table."""
    first, second, reason = rows(
        site(node(state(), is_=NodeState.UNKNOWN), unreachable={"lb2": DOWN}),
    )
    assert first[:5] == ["web1", "unknown", "1.4.2", "200", "lb1 shop/web1"]
    assert second == ["", "", "", "", "lb2", "unreachable", "", "", "", ""]
    assert reason == [f"unreachable: {DOWN}"]


def test_a_node_without_servers_is_a_row() -> None:
    """It is on no load balancer; where none is listed, none was looked for."""
    lost = node(is_=NodeState.UNKNOWN, health=None)
    assert rows(site(lost)) == [["web1", "unknown", "–", "–", "none found", "", "", "", "", ""]]
    assert rows(SiteStatus((lost,), (), {}))[0][4] == "–"


def test_a_site_without_nodes_is_a_header() -> None:
    """Nothing is asked of the widths of rows that are not there."""
    assert len(list(table("shop", site(), "x"))) == 2


def test_columns_stand_below_each_other() -> None:
    """However long a name is, and nothing is left at the ends of lines."""
    status = site(node(state("shop/" + "x" * 60)), node(state("s/y"), name="a-node-with-a-long-name"))
    _, header, *lines = table("shop", status, "x")
    place = header.index("status")
    assert all(line[place - 1 : place + 3] == " UP " for line in lines)
    assert all(line == line.rstrip() for line in (header, *lines))


def test_a_document_has_all_that_the_table_has() -> None:
    """For programs: at least what was promised them, as plain JSON."""
    busy = state("shop/web1", sessions=3, queued=2, weight=10, status="DRAIN", admin=AdminState.FORCED_DRAIN)
    status = site(node(busy, is_=NodeState.DRAINING))
    found = json.loads(json.dumps(document("shop", status, None, "")))
    assert found == {
        "service": "shop",
        "contradictions": [],
        "nodes": [
            {
                "name": "web1",
                "host": "10.0.0.11",
                "state": "draining",
                "healthy": True,
                "health": "200",
                "release": "1.4.2",
                "left_out": None,
                "servers": [
                    {
                        "load_balancer": "lb1",
                        "backend": "shop",
                        "server": "web1",
                        "status": "DRAIN",
                        "sessions": 3,
                        "queued": 2,
                        "old_sessions": 0,
                        "admin": "drain",
                        "check": "L7OK",
                        "weight": 10,
                    }
                ],
            }
        ],
        "load_balancers": [{"name": "lb1", "reachable": True, "version": "3.0.11", "pid": 1, "error": None}],
        "left_out": [],
        "deployment": None,
    }


def test_a_document_of_what_could_not_be_asked() -> None:
    """No health page, no servers, a load balancer that does not answer: each key is there all the same."""
    status = SiteStatus((node(is_=NodeState.UNKNOWN, health=None),), (), {"lb2": DOWN})
    found = document("shop", status, None, "")
    (one,) = found["nodes"]
    assert (one["state"], one["healthy"], one["health"], one["release"]) == ("unknown", None, None, None)
    assert one["servers"] == [
        {"load_balancer": "lb2", "backend": None, "server": None, "status": "unreachable", "sessions": None}
    ]
    (balancer,) = found["load_balancers"]
    assert (balancer["name"], balancer["reachable"], balancer["error"]) == ("lb2", False, DOWN)


def test_the_states_are_those_that_were_promised() -> None:
    """Other programs compare with these words."""
    assert {one.value for one in NodeState} == {"ready", "draining", "drained", "maint", "down", "unknown"}


@pytest.fixture
def progress(records: list[Record]) -> Progress:
    """Ended 75 seconds after noon: web1 is done, web2 failed and is left out, web4 was skipped."""
    return fold(records)


def test_a_deployment_in_a_document(progress: Progress) -> None:
    """Which, how far, and what it left behind."""
    found = document("shop", site(node(state())), progress, "failed")["deployment"]
    assert found == {
        "id": 17,
        "release": "1.4.2",
        "state": "failed",
        "started": "2023-11-15T12:00:00+00:00",
        "seconds": 75.0,
        "nodes": 3,
        "done": 1,
        "failed": 1,
        "left_out": ["web2"],
        "user": "anna",
        "host": "laptop",
    }


def test_the_line_of_a_deployment(progress: Progress, records: list[Record]) -> None:
    """When it ended or began, how far it came, and which nodes it left out, unless it still runs."""
    noon = records[0].time
    assert deployment_line(None, "", noon) == "not deployed yet"
    assert deployment_line(progress, "failed", noon + 75 + 240) == (
        "deployment 17 (1.4.2) failed, ended 4 min ago: 1 of 3 nodes; left out: web2"
    )
    half = fold(records[:16])
    assert deployment_line(half, "running", noon + 30) == (
        "deployment 17 (1.4.2) running, began 30 s ago: 1 of 3 nodes"
    )
    assert deployment_line(half, "interrupted", noon + 30) == (
        "deployment 17 (1.4.2) interrupted (killed), began 30 s ago: 1 of 3 nodes; left out: web2"
    )


def test_a_node_that_an_earlier_deployment_left_out(progress: Progress) -> None:
    """It is named whatever was deployed since, with what is known of it and the command that puts it back."""
    out = LeftOut(12, "1.4.1", 1.7e9, True, Step.RESTART, "exit status 1", "1.4.0", ())
    doubtful = dataclasses.replace(out, certain=False, reason="", previous_release=None)
    left_out = {"web4": out, "web5": doubtful}
    assert deployment_line(progress, "done", 2e9, left_out).endswith("; left out: web2, web4, web5")
    assert deployment_line(progress, "running", 2e9, left_out).endswith("; left out: web4, web5")
    assert [*left_out_lines(left_out)] == [
        "web4 was left out by deployment 12 (1.4.1) at restart: exit status 1; before, it ran 1.4.0",
        "web5 may be out: deployment 12 (1.4.1) was interrupted at restart",
    ]
    assert [*advice(progress, "done", "prod.yml", ["web4"])] == [
        "put web2 web4 back: rollout restore -i prod.yml"
    ]
    found = document("shop", site(node(name="web4")), progress, "done", left_out)
    assert found["left_out"] == ["web4", "web5"]
    assert found["nodes"][0]["left_out"] == {
        "deployment": 12,
        "release": "1.4.1",
        "previous_release": "1.4.0",
        "since": "2023-11-14T22:13:20+00:00",
        "certain": True,
        "step": "restart",
        "reason": "exit status 1",
    }


def test_a_clock_that_went_back_is_no_crash(progress: Progress, records: list[Record]) -> None:
    """A deployment from the future ended just now."""
    assert "ended 0.0 s ago" in deployment_line(progress, "failed", records[0].time - 1000)


HOSTILE: dict[str, Any] = {
    "status": "UP\x1b[2J",
    "check_status": "L7OK\r\n\x07",
    "operational": OperationalState.RUNNING,
}


def test_control_characters_do_not_reach_the_terminal() -> None:
    """Releases, statuses and reasons come from outside: each stays in its row and its column, harmless."""
    release = HealthSeen(True, 200, "1\x1b]0;owned\x07\n2\t3", "")
    reason = HealthSeen(False, 503, None, "its answer does not contain '\x1b[31m'")
    status = site(
        node(state(**HOSTILE), health=release),
        node(state("shop/web2"), name="web\u202e2", health=reason),
        unreachable={"lb2": "lb2: it answered \x1b[31m\nand more"},
    )
    lines = list(table("shop\x1b[1m", status, "x\x1b[0m"))
    assert len(lines) == 7
    assert all(line.isprintable() for line in lines)
    place = lines[1].index("state")
    assert [line[place - 2 : place + 5] for line in (lines[2], lines[4])] == ["  ready"] * 2
