"""What a deployment will do is decided before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.decisions.plan import (
    lines,
    out_of_rotation,
)
from rollout.domain import AdminState, OperationalState, Server, Step
from rollout.inventory import Inventory
from tests.support.states import inventory, server, state

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
