"""A server as it was before its node was touched."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from rollout.domain.haproxy import AdminState, ServerState


@dataclass(frozen=True, slots=True)
class ServerBefore:
    """A server as it was found before its node was touched, which is how it is left."""

    admin: AdminState
    weight: int
    """In units of the configuration."""
    warmup: tuple[int, ...] = ()
    """The lower weights, rising, by which it is brought back to `weight`."""

    @property
    def kept_out(self) -> bool:
        """Somebody else keeps it out. One of weight 0 is ready, and its weight stays 0 by itself."""
        return self.admin.is_out

    @property
    def stays_in_maintenance(self) -> bool:
        """It was set to it, and never leaves it."""
        return self.admin.forced == AdminState.FORCED_MAINT

    @property
    def returns(self) -> bool:
        """It is set ready at the end; what HAProxy itself keeps out is ready, too."""
        return self.admin.forced == AdminState.READY

    @property
    def climb(self) -> tuple[int, ...]:
        """The weights by which it is warmed up, its own the last; none where it comes back at once."""
        return (*self.warmup, self.weight) if self.warmup else ()

    def with_weight(self, weight: int) -> ServerBefore:
        """The same with a weight that somebody gave it since."""
        return dataclasses.replace(
            self, weight=weight, warmup=tuple(lower for lower in self.warmup if lower < weight)
        )

    def is_warming(self, state: ServerState) -> bool:
        """It has a weight of its warm-up in place of its own."""
        return self.weight != state.weight and state.weight in self.warmup

    def weight_is_lost(self, state: ServerState) -> bool:
        """It has the configured weight in place of another, as after a reload; or its warm-up did not end."""
        return self.weight != state.weight == state.configured_weight or self.is_warming(state)
