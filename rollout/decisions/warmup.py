"""The weights by which a server that comes back takes its share of the traffic. Values in, values out."""

from __future__ import annotations

from rollout.domain import ServerBefore, ServerState
from rollout.inventory.warmup import Warmup


def found(state: ServerState, warmup: Warmup | None) -> ServerBefore:
    """A server as it is now, with what it will be warmed up by when it comes back."""
    return ServerBefore(
        state.admin, state.weight, () if warmup is None else lower_weights(state.weight, warmup)
    )


def lower_weights(weight: int, warmup: Warmup) -> tuple[int, ...]:
    """That of each step but the last, at least 1. None where `weight` leaves nothing below it.

    They are whole weights, since HAProxy truncates shares: 50% of weight 1 would be no traffic at all.
    """
    if weight <= 1:
        return ()
    return tuple(max(1, int(weight * step / 100)) for step in warmup.steps[:-1])
