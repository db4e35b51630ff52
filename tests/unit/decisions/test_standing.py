"""Whether a server must be up after a deployment, by how HAProxy showed all servers before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rollout.decisions.standing import in_rotation, may_be_down, standings
from rollout.domain import AdminState, CheckResult, OperationalState, ServerState, Standing
from tests.support.states import reading, server, state

UP, ALONE, DOWN, BROKEN = Standing
FAILED: Any = {"operational": OperationalState.STOPPED, "check_result": CheckResult.FAILED}
OUT: Any = {"operational": OperationalState.STOPPED, "admin": AdminState.FORCED_MAINT}


def found(*states: ServerState, well: Sequence[str] = ()) -> dict[str, Standing]:
    """The standing of each server, by its path. A server is the node of its name."""
    names = dict.fromkeys(one.server.name for one in states)
    placement = {
        name: tuple(one.server for one in states if one.server.name == name) for name in sorted(names)
    }
    return {one.path: each for one, each in standings([reading(*states)], placement, well).items()}


def test_a_server_that_is_down_on_a_node_that_is_up_elsewhere_may_stay_down() -> None:
    """One down everywhere is broken. Where another server alone is up in the backend, as a leader is, a node
    whose health page is right is well all the same."""
    states = [
        state("shop/web1"),
        state("api/web1", **FAILED),
        state("shop/web2", **FAILED),
        state("api/web2", **FAILED),
        state("shop/web3"),
        state("api/web3"),
    ]
    assert found(*states) == {
        "shop/web1": UP,
        "api/web1": DOWN,
        "shop/web2": BROKEN,
        "api/web2": BROKEN,
        "shop/web3": UP,
        "api/web3": UP,
    }
    assert found(*states, well=["web2"]) == {
        "shop/web1": UP,
        "api/web1": DOWN,
        "shop/web2": BROKEN,
        "api/web2": DOWN,
        "shop/web3": UP,
        "api/web3": ALONE,
    }


def test_where_nobody_leads_everybody_is_broken() -> None:
    """A check that fails on all nodes is no leader's, however right their health pages are."""
    states = [state(f"shop/web{number}", **FAILED) for number in (1, 2)]
    assert set(found(*states, well=["web1", "web2"]).values()) == {BROKEN}


def test_one_leads_where_it_alone_is_up() -> None:
    """Only where the others are down by design: not where one of them is broken, nor where two are up."""
    shop = [state(f"shop/web{n}") for n in (1, 2, 3)]
    followers = [state("primary/web2", **FAILED), state("primary/web3", **FAILED)]
    assert found(*shop, state("primary/web1"), *followers)["primary/web1"] is ALONE
    assert found(*shop, state("primary/web1"), state("primary/web2"), followers[1])["primary/web1"] is UP
    assert found(state("primary/web1"), *followers)["primary/web1"] is UP
    assert found(*shop, state("primary/web1"), state("primary/web2", **OUT))["primary/web1"] is UP


@pytest.mark.parametrize(("last", "standing"), [("FAILED", DOWN), ("PASSED", ALONE), ("UNKNOWN", ALONE)])
def test_maintenance_hides_a_check_but_not_its_last_result(last: str, standing: Standing) -> None:
    """A node that is out was what its last check said; without one, it may be down while another leads."""
    out = {**OUT, "check_result": CheckResult[last]}
    passed = {**OUT, "check_result": CheckResult.PASSED}
    states = [state("shop/web1"), state("shop/web2", **passed)]
    states += [state("shop/web3"), state("primary/web1"), state("primary/web2", **out)]
    assert found(*states, state("primary/web3", **FAILED))["primary/web2"] is standing


def test_who_was_alone_may_be_down_while_another_one_is_up() -> None:
    """In its backend, and on its load balancer."""
    web1 = server("primary/web1")
    nobody = reading(state("primary/web1", **FAILED), state("primary/web2", **FAILED), state("shop/web2"))
    another = reading(state("primary/web1", **FAILED), state("primary/web2"))
    assert not may_be_down(ALONE, web1, in_rotation(nobody))
    assert "another server" in may_be_down(ALONE, web1, in_rotation(another))
    assert "down before" in may_be_down(DOWN, web1, in_rotation(nobody))
    assert not any(may_be_down(standing, web1, in_rotation(another)) for standing in (UP, BROKEN))
