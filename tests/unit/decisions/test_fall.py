"""Whether a node that was put back is out of rotation again, and by whom."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.decisions.fall import fall, in_doubt
from rollout.domain import AdminState, CheckResult, OperationalState, ServerBefore, Standing
from tests.support.states import server, state

DOWN: dict[str, Any] = {"operational": OperationalState.STOPPED, "status": "DOWN", "check_status": "L4CON"}
NOBODY: dict[str, Any] = {}


def before(**changes: Any) -> dict[Any, ServerBefore | None]:
    return {server("shop/web1"): ServerBefore(**{"admin": AdminState.READY, "weight": 1, **changes})}


def test_a_node_in_rotation_has_not_fallen() -> None:
    assert fall([state(), state("api/web1")], before(), NOBODY) is None


def test_a_check_that_fails_is_the_release_s() -> None:
    """What HAProxy's last check said is told."""
    found = fall([state(), state("api/web1", **DOWN)], before(), NOBODY)
    assert found is not None
    assert not found.by_others
    assert found.reason == "HAProxy finds api/web1 on lb1 DOWN (last check: L4CON)"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"admin": AdminState.FORCED_MAINT}, "is in maintenance"),
        ({"admin": AdminState.FORCED_DRAIN}, "is drained"),
        ({"weight": 0}, "has weight 0"),
        ({"operational": OperationalState.STOPPING}, "answers 404"),
    ],
)
def test_what_a_person_does_is_not(changes: dict[str, Any], reason: str) -> None:
    """Nor is a page that asks to be left alone."""
    found = fall([state(**changes)], before(), NOBODY)
    assert found is not None
    assert found.by_others
    assert reason in found.reason


def test_what_was_out_before_is_no_fall() -> None:
    """A server that others kept out, that had weight 0, or that may be down by design."""
    maintained = state(admin=AdminState.FORCED_MAINT, operational=OperationalState.STOPPED)
    assert fall([maintained], before(admin=AdminState.FORCED_MAINT), NOBODY) is None
    assert fall([state(weight=0)], before(weight=0), NOBODY) is None
    assert fall([state(**DOWN)], before(standing=Standing.DOWN), NOBODY) is None
    leads = {"lb1": {"shop": [server("shop/web2")]}}
    assert fall([state(**DOWN)], before(standing=Standing.ALONE), leads) is None
    assert fall([state(**DOWN)], before(standing=Standing.ALONE), NOBODY) is not None


def test_a_failed_check_is_a_doubt() -> None:
    """While HAProxy still calls the server up."""
    failing = state(status="UP 2/3", check_result=CheckResult.FAILED, check_status="L7STS")
    assert in_doubt([state(), failing]) == "shop/web1 on lb1 shows UP 2/3 (last check: L7STS)"
    assert fall([failing], before(), NOBODY) is None
    assert in_doubt([state()]) == ""
