"""A server as it was before its node was touched, and as a deployment leaves it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from enum import StrEnum

from rollout.domain.haproxy import AdminState, ServerState


class Standing(StrEnum):
    """How HAProxy's check found a server before its node was touched, and so what must be seen of it after.

    Where a check passes on one node at a time (a leader's, say), all other servers are down by design.
    """

    UP = "up"
    """It was up, and must be up again."""
    ALONE = "alone"
    """It was the only one up in its backend, the others being `DOWN`: it must be up unless another one is."""
    DOWN = "down"
    """It was down although its node was well: it may stay down."""
    BROKEN = "broken"
    """It was down, and nothing showed that its node was well: it must be up."""

    @property
    def was_down(self) -> bool:
        """Whether HAProxy's check had found it down."""
        return self in (Standing.DOWN, Standing.BROKEN)


@dataclass(frozen=True, slots=True)
class ServerBefore:
    """State of a server before its node was touched, to which the server is returned."""

    admin: AdminState
    weight: int
    """In units of the configuration."""
    warmup: tuple[int, ...] = ()
    """Lower weights, rising, by which the server is brought back to `weight`; none for no warm-up."""
    standing: Standing = Standing.UP
    agent: bool = False
    """Whether HAProxy asked its agent, which is disabled while the node is out."""
    address: str = field(default="", compare=False)
    """Its address when the deployment was planned; empty where nobody noted it."""

    @property
    def kept_out(self) -> bool:
        """Whether somebody else keeps it out.

        A server of weight 0 counts as ready: nothing needs to keep it out, since its weight stays 0.
        """
        return self.admin.is_out

    @property
    def stays_in_maintenance(self) -> bool:
        """Whether it was set to maintenance by a command, and is left there all the time."""
        return self.admin.forced == AdminState.FORCED_MAINT

    @property
    def returns(self) -> bool:
        """Whether it is set ready at the end: not if a command had set it to maintenance or drain before."""
        return self.admin.forced == AdminState.READY

    @property
    def climb(self) -> tuple[int, ...]:
        """All weights of the warm-up, `weight` the last; empty where the server comes back at once."""
        return (*self.warmup, self.weight) if self.warmup else ()

    def with_weight(self, weight: int) -> ServerBefore:
        """A copy with a weight that somebody has given the server since."""
        return dataclasses.replace(
            self, weight=weight, warmup=tuple(lower for lower in self.warmup if lower < weight)
        )

    def is_warming(self, state: ServerState) -> bool:
        """Whether the server now has a weight of its warm-up instead of its own."""
        return self.weight != state.weight and state.weight in self.warmup

    def weight_is_lost(self, state: ServerState) -> bool:
        """Whether the server must be given its weight again.

        Either it has the configured weight although it had another one before, as after a reload; or its
        warm-up did not end.
        """
        return self.weight != state.weight == state.configured_weight or self.is_warming(state)
