"""The lines of `rollout plan`. `tests/engine/test_planned_and_sent.py` compares them with real commands."""

from __future__ import annotations

from rollout.decisions.preview import node_lines
from rollout.decisions.warmup import server_before
from rollout.domain import AdminState, Server, Standing, Step
from rollout.inventory import Inventory
from tests.support.states import inventory, server, state


def sent(given: Inventory, release: str | None, *servers: Server, checked: bool = True) -> list[str]:
    lines = node_lines(given, release, "web1", servers, servers if checked else (), {})
    return [f"{line.step} {line.target}: {line.text}" for line in lines]


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
        "verify lb1: set server shop/web1 state drain; set server shop/web1 health down; "
        "set server api/web1 state drain; set server api/web1 health down",
        "verify lb2: set server shop/web1 state drain; set server shop/web1 health down",
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
        "verify lb1: set server shop/web1 state drain",
        "ready lb1: set server shop/web1 state ready",
    ]


def test_a_health_page_that_watches_a_file_sends_nothing_to_load_balancers() -> None:
    """The node's own file drains it, with its placeholders filled and its path quoted."""
    page = {"health_page": {"file": "/run/my shop/{node}"}}
    given = inventory(drain=page, restart={"command": "restart"})
    drain, restart, ready = node_lines(given, None, "web1", [server("shop/web1")], (), {})
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


def test_every_weight_of_a_warmup() -> None:
    """A line for each step: the lowest weights before it is ready, then the others; none twice in a row."""
    shop, api, out = server("shop/web1"), server("api/web1"), server("out/web1")
    given = inventory(warmup={"over": "20s"})
    before = {
        shop: server_before(state(weight=100), given.warmup),
        api: server_before(state(weight=2), given.warmup),
        out: server_before(state(weight=100, admin=AdminState.FORCED_DRAIN), given.warmup),
    }
    ready = [
        line.text
        for line in node_lines(given, None, "web1", (shop, api, out), (), before)
        if line.step is Step.READY
    ]
    assert ready == [
        "set server api/web1 weight 1; set server shop/web1 weight 10",
        "set server shop/web1 state ready; set server api/web1 state ready",
        "set server shop/web1 weight 50",
        "set server api/web1 weight 2; set server shop/web1 weight 100",
    ]


def test_a_server_in_maintenance_is_told_to_stay_there() -> None:
    """It is never drained, and before the others come back it is set to maintenance once more."""
    shop, out = server("shop/web1"), server("out/web1")
    before = {
        shop: server_before(state(), None),
        out: server_before(state(admin=AdminState.FORCED_MAINT), None),
    }
    lines = node_lines(inventory(), None, "web1", (shop, out), (), before)
    assert [line.text for line in lines if line.step is not Step.RESTART] == [
        "set server shop/web1 state drain",
        "set server shop/web1 state maint",
        "set server out/web1 state maint",
        "set server shop/web1 state drain",
        "set server shop/web1 state ready",
    ]


def test_an_agent_is_disabled_with_the_drain_and_enabled_with_the_return() -> None:
    """With a warm-up after it, since an agent gives weights; one that called its server down with its return,
    for the server stays down by nothing else."""
    shop, api = server("shop/web1"), server("api/web1")
    given = inventory(restart={"command": "restart"}, warmup={"over": "20s", "steps": ["50%", "100%"]})
    before = {
        shop: server_before(state(weight=10, agent_checked=True), given.warmup),
        api: server_before(state(agent_checked=True), given.warmup, Standing.DOWN),
    }
    lines = node_lines(given, None, "web1", [shop, api], [shop, api], before)
    assert [f"{line.step} {line.text}" for line in lines if "agent" in line.text] == [
        "drain disable agent shop/web1; set server shop/web1 state drain; "
        "disable agent api/web1; set server api/web1 state drain",
        "ready set server shop/web1 health up; set server shop/web1 state ready; "
        "set server api/web1 health down; set server api/web1 state ready; enable agent api/web1",
        "ready enable agent shop/web1",
    ]
