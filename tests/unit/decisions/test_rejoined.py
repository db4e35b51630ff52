"""Nodes that were left out and take traffic all the same."""

from __future__ import annotations

from typing import Any

from rollout.decisions.memory import LeftOut
from rollout.decisions.node_state import NodeStatus, SiteStatus
from rollout.decisions.rejoined import Rejoined, rejoined
from rollout.domain import AdminState, NodeState, ServerState
from rollout.events import ServerNoted
from tests.support.states import state


def left_out(**changes: Any) -> dict[str, LeftOut]:
    fields: dict[str, Any] = {
        "deployment": 3,
        "release": "2",
        "since": 0.0,
        "certain": True,
        "step": None,
        "reason": "",
        "previous_release": "1",
        "servers": (),
    }
    return {"web1": LeftOut(**{**fields, **changes})}


def seen(*servers: ServerState, is_: NodeState = NodeState.READY) -> SiteStatus:
    return SiteStatus((NodeStatus("web1", "10.0.0.11", is_, None, servers),), (), {})


def test_a_server_in_rotation_contradicts() -> None:
    """One of several is enough."""
    out = state("api/web1", admin=AdminState.FORCED_MAINT)
    assert rejoined(left_out(), seen(out, state("shop/web1"))) == [
        Rejoined("web1", 3, ("shop/web1 on lb1 shows UP",))
    ]


def test_one_that_is_out_does_not() -> None:
    """Nor does one that was only interrupted, nor one that others had kept out where it is back now."""
    assert not rejoined(left_out(), seen(state(admin=AdminState.FORCED_MAINT)))
    assert not rejoined(left_out(certain=False), seen(state()))
    kept = ServerNoted("web1", "lb1", "shop", "web1", int(AdminState.FORCED_MAINT), 1, "MAINT")
    assert not rejoined(left_out(servers=(kept,)), seen(state("shop/web1")))


def test_without_a_load_balancer_the_page_tells() -> None:
    """A page that is right lets the node back in."""
    (one,) = rejoined(left_out(), seen())
    assert one.seen == ("its health page is right",)
    assert not rejoined(left_out(), seen(is_=NodeState.DRAINED))
