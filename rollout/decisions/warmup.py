"""Weights of a warm-up, by which a server that comes back takes its traffic. Values in, values out."""

from __future__ import annotations

from rollout.domain import ServerBefore, ServerState, Standing
from rollout.inventory.warmup import Warmup


def server_before(
    state: ServerState, warmup: Warmup | None, standing: Standing = Standing.UP
) -> ServerBefore:
    """The server as it is now, with the weights by which it will be warmed up when it comes back."""
    return ServerBefore(
        state.admin,
        state.weight,
        () if warmup is None else lower_weights(state.weight, warmup),
        standing,
        agent=state.agent_checked,
        address=state.address,
    )


def lower_weights(weight: int, warmup: Warmup) -> tuple[int, ...]:
    """The weight of each step but the last, at least 1; none where nothing is below `weight`.

    They are whole numbers, since HAProxy rounds percentages down: 50% of weight 1 would be no traffic at all.
    """
    if weight <= 1:
        return ()
    return tuple(max(1, int(weight * step / 100)) for step in warmup.steps[:-1])
