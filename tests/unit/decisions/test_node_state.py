"""What a node is, judged from all of its servers."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.decisions.node_state import node_state, server_state
from rollout.domain import AdminState, NodeState, OperationalState
from tests.support.states import state

READY: dict[str, Any] = {}
DRAIN = {"admin": AdminState.FORCED_DRAIN}
MAINT = {"admin": AdminState.FORCED_MAINT, "operational": OperationalState.STOPPED}
DOWN = {"operational": OperationalState.STOPPED}
NOLB = {"operational": OperationalState.STOPPING}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (READY, NodeState.READY),
        ({"sessions": 7, "queued": 3}, NodeState.READY),
        ({"operational": OperationalState.STARTING}, NodeState.READY),
        ({"checked": False}, NodeState.READY),
        (DOWN, NodeState.DOWN),
        (DRAIN, NodeState.DRAINED),
        (DRAIN | {"sessions": 1}, NodeState.DRAINING),
        (DRAIN | {"queued": 1}, NodeState.DRAINING),
        (DRAIN | {"busy_connections": 1}, NodeState.DRAINING),
        (DRAIN | DOWN, NodeState.DRAINED),
        ({"admin": AdminState.INHERITED_DRAIN}, NodeState.DRAINED),
        (MAINT, NodeState.MAINT),
        (MAINT | {"sessions": 1}, NodeState.DRAINING),
        (MAINT | {"admin": AdminState.RESOLUTION_MAINT}, NodeState.MAINT),
        (MAINT | {"admin": AdminState.FORCED_MAINT | AdminState.FORCED_DRAIN}, NodeState.MAINT),
        ({"admin": AdminState.CONFIGURED_MAINT}, NodeState.READY),
        (NOLB, NodeState.DRAINED),
        (NOLB | {"sessions": 1}, NodeState.DRAINING),
        ({"weight": 0}, NodeState.DRAINED),
        ({"weight": 0, "sessions": 1}, NodeState.DRAINING),
        ({"weight": 0} | DOWN, NodeState.DOWN),
    ],
)
def test_a_server(changes: dict[str, Any], expected: NodeState) -> None:
    """One server: whose decision keeps it out, and whether anything still runs on it."""
    assert server_state(state(**changes)) is expected


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ([READY], NodeState.READY),
        ([READY, READY], NodeState.READY),
        ([READY, DRAIN], NodeState.DRAINING),
        ([READY, MAINT], NodeState.DRAINING),
        ([READY, DOWN], NodeState.DOWN),
        ([READY, DRAIN, DOWN], NodeState.DOWN),
        ([DRAIN, DRAIN], NodeState.DRAINED),
        ([DRAIN, DRAIN | {"sessions": 1}], NodeState.DRAINING),
        ([MAINT, DRAIN | {"sessions": 1}], NodeState.DRAINING),
        ([MAINT, MAINT], NodeState.MAINT),
        ([MAINT, DRAIN], NodeState.MAINT),
        ([DOWN, DRAIN], NodeState.DOWN),
        ([DOWN, MAINT], NodeState.DOWN),
        ([NOLB, DRAIN], NodeState.DRAINED),
        ([], NodeState.UNKNOWN),
    ],
)
def test_a_node(servers: list[dict[str, Any]], expected: NodeState) -> None:
    """Several servers, in whatever order they are read: the node is only what all of them allow."""
    states = [state(f"shop{index}/web1", **changes) for index, changes in enumerate(servers)]
    assert node_state(states) is expected
    assert node_state(states[::-1]) is expected


def test_drained_is_never_said_while_something_runs() -> None:
    """Whatever mixture of servers: with a session, or traffic, on one of them the node is not drained."""
    kinds = [READY, DRAIN, MAINT, DOWN, NOLB, {"weight": 0}]
    for first in kinds:
        for second in kinds:
            busy = [state("a/web1", **first), state("b/web1", **(second | {"sessions": 1}))]
            assert node_state(busy) not in (NodeState.DRAINED, NodeState.MAINT)
            if first == READY:
                assert node_state([state("a/web1"), state("b/web1", **second)]) is not NodeState.DRAINED
