"""What a deployment will do is decided before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.decisions.plan import out_of_rotation
from rollout.domain import AdminState, OperationalState
from tests.support.states import state

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
