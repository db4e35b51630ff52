"""How a service is, in a number for scripts."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.decisions.node_state import HealthSeen, NodeStatus, SiteStatus
from rollout.decisions.site_code import site_code
from rollout.domain import NodeState, Reading


def site(*nodes: NodeStatus, readings: bool = True, **unreachable: str) -> SiteStatus:
    return SiteStatus(nodes, (Reading("lb1", "3.0", 1, 1, 1, ()),) if readings else (), unreachable)


def node(state: NodeState = NodeState.READY, release: str | None = "2", healthy: bool = True) -> NodeStatus:
    return NodeStatus("web1", "10.0.0.1", state, HealthSeen(healthy, 200, release, ""), ())


def code(status: SiteStatus, **known: Any) -> int:
    settings: dict[str, Any] = {"deploying": False, "unfinished": False, "unknown": False, "left_out": []}
    return site_code(status, **(settings | known))


def test_all_ready_on_one_release() -> None:
    """Also where a page tells no release, and where nothing at all tells of the nodes."""
    assert code(site(node(), node())) == 0
    assert code(site(node(), node(release=None))) == 0
    untold = NodeStatus("web1", "10.0.0.1", NodeState.UNKNOWN, None, ())
    assert code(site(untold, readings=False)) == 0


@pytest.mark.parametrize("state", [state for state in NodeState if state is not NodeState.READY])
def test_a_node_that_is_not_ready(state: NodeState) -> None:
    """Whoever took it out, and also where its load balancer knows no such node."""
    assert code(site(node(), node(state))) == 5


def test_what_is_not_as_it_should_be() -> None:
    """Two releases, a page that is wrong, a node left out, a deployment that stopped halfway."""
    assert code(site(node(), node(release="1"))) == 5
    assert code(site(node(), node(healthy=False))) == 5
    assert code(site(node()), left_out=["web2"]) == 5
    assert code(site(node()), unfinished=True) == 5


def test_a_deployment_and_what_is_not_known() -> None:
    """While one runs, mixed releases say nothing; without an answer, nothing does."""
    assert code(site(node(), node(release="1")), deploying=True) == 4
    assert code(site(node(), lb2="no answer"), deploying=True) == 6
    assert code(site(node()), unknown=True) == 6
