"""The weights by which a server is warmed up."""

from __future__ import annotations

import pytest

from rollout.decisions.warmup import server_before
from rollout.domain import AdminState, ServerBefore
from rollout.inventory.warmup import Warmup
from tests.support.states import state


def warmup(*steps: str) -> Warmup:
    return Warmup.model_validate({"over": "20s", **({"steps": steps} if steps else {})})


@pytest.mark.parametrize(
    ("weight", "climb"),
    [
        (0, ()),
        (1, ()),
        (2, (1, 1, 2)),
        (3, (1, 1, 3)),
        (10, (1, 5, 10)),
        (100, (10, 50, 100)),
        (256, (25, 128, 256)),
    ],
)
def test_each_step_is_a_whole_weight_that_takes_traffic(weight: int, climb: tuple[int, ...]) -> None:
    """Below the server's own and never 0; none where there is no weight below it."""
    assert server_before(state(weight=weight), warmup()).climb == climb


def test_without_a_warmup_there_is_no_climb() -> None:
    """The server comes back at its weight."""
    assert server_before(state(weight=100), None) == ServerBefore(AdminState.READY, 100)


def test_a_weight_that_was_set_since_is_climbed_to_as_far_as_it_goes() -> None:
    """No step is above the weight in which it ends."""
    assert server_before(state(weight=100), warmup()).with_weight(40).climb == (10, 40)
    assert server_before(state(weight=100), warmup()).with_weight(5).climb == ()


def test_a_warmup_that_did_not_end_is_told_from_a_weight_of_others() -> None:
    """By the weights that were noted for it."""
    before = server_before(state(weight=100), warmup())
    shown = {weight: before.weight_is_lost(state(weight=weight)) for weight in (1, 10, 50, 60, 100)}
    assert shown == {1: True, 10: True, 50: True, 60: False, 100: False}  # 1 is the configured one
