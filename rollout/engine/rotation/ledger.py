"""What a node's servers were on one load balancer, and what we set since: whatever else is shown, others did.

Two things cannot be told apart. What others set that is what we set: their `maint` on a server that we hold.
And, once HAProxy was reloaded, what others set from what the reload brought back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from rollout.domain import AdminState, Reading, Server, ServerBefore, ServerState
from rollout.errors import ChangedByOthers
from rollout.remote import runtime

_ANY = frozenset({AdminState.READY, AdminState.FORCED_DRAIN, AdminState.FORCED_MAINT})


class Ledger:
    """`before` is how to leave the servers; for those that are missing, as they are found when it is opened.

    `taken_up` says that an earlier try left the node out: what is shown at first is our own doing.
    """

    def __init__(self, before: Mapping[Server, ServerBefore], *, taken_up: bool) -> None:
        self._before = dict(before)
        self._taken_up = taken_up
        self._ours: dict[Server, frozenset[AdminState]] = {}
        self._changed: set[Server] = set()
        self._theirs: set[Server] = set()
        self._weights: dict[Server, frozenset[int]] = {}
        """Those that we found or set; without them, any that an earlier try may have set."""
        self._opened = False
        self._process = (0, 0)

    @property
    def changed(self) -> frozenset[Server]:
        """The servers of which others have changed the state or the weight."""
        return frozenset(self._changed)

    @property
    def theirs(self) -> frozenset[Server]:
        """The servers of which others have changed the state: nothing is sent to them any more."""
        return frozenset(self._theirs)

    def open(self, reading: Reading) -> None:
        """The first look, before anything is set; later ones do nothing.

        Raises ChangedByOthers if a server is not as it was when the deployment was planned.
        """
        if self._opened:
            return
        if not self._taken_up:
            self._changed.update(s.server for s in reading.servers if self._was_otherwise(s))
            if self._changed:
                raise _others(reading, self._changed, "since the deployment began")
            self._process = reading.process
        for state in reading.servers:
            before = self._before.setdefault(state.server, ServerBefore(state.admin, state.weight))
            if not (before.is_warming(state) or (self._taken_up and before.weight_is_lost(state))):
                self._before[state.server] = before.with_weight(state.weight)
            self._ours[state.server] = frozenset({state.admin.forced})
            self._weights[state.server] = frozenset({state.weight})
        self._opened = True

    def sending(self, servers: Iterable[Server], admin: AdminState) -> None:
        """Until HAProxy has answered, the old state and the new one are both ours."""
        for server in servers:
            self._ours[server] = self._ours.get(server, _ANY) | {admin}

    def sent(self, servers: Iterable[Server], admin: AdminState) -> None:
        for server in servers:
            self._ours[server] = frozenset({admin})

    def weighing(self, server: Server, weight: int) -> None:
        """As `sending`, of a weight."""
        self._weights[server] = self._may_weigh(server) | {weight}

    def weighed(self, server: Server, weight: int) -> None:
        self._weights[server] = frozenset({weight})

    def ours(self, reading: Reading, *, reloaded: bool) -> tuple[ServerState, ...]:
        """Those of which nobody else has changed the state. After a reload, what was set may be lost."""
        for state in reading.servers:
            if not reloaded and state.admin.forced not in self._ours.get(state.server, _ANY):
                self._theirs.add(state.server)
                self._changed.add(state.server)
            if self._has_other_weight(state, reading.process):
                self._before[state.server] = dataclasses.replace(
                    self._before[state.server], weight=state.weight, warmup=()
                )
                self.weighed(state.server, state.weight)
                self._changed.add(state.server)
        return tuple(state for state in reading.servers if state.server not in self._theirs)

    def require_unchanged(self, reading: Reading, *, reloaded: bool, since: str = "while it was out") -> None:
        """Raises ChangedByOthers, with what is shown."""
        self.ours(reading, reloaded=reloaded)
        if self._changed:
            raise _others(reading, self._changed, since)

    def is_kept_out(self, server: Server) -> bool:
        """It was out before, by somebody else's decision."""
        return server in self._before and self._before[server].kept_out

    def stays_in_maintenance(self, server: Server) -> bool:
        """It was set to maintenance before, which it never leaves."""
        return server in self._before and self._before[server].stays_in_maintenance

    def returns(self, server: Server) -> bool:
        """It is set ready at the end: nobody set it to anything else before."""
        return server not in self._before or self._before[server].returns

    def climb(self, server: Server) -> tuple[int, ...]:
        """The weights by which it comes back, the last of them its own; none where it comes back at once."""
        before = self._before.get(server)
        return () if before is None else before.climb

    def has_no_steps(self, server: Server) -> bool:
        """Its weight is 1, and HAProxy has none between that and 0."""
        return server in self._before and self._before[server].weight == 1

    def as_before(self, states: Iterable[ServerState]) -> list[str]:
        """What brings servers back to how they were found, as far as they were touched."""
        touched = [state for state in states if state.server in self._ours]
        differing = [s for s in touched if s.admin.forced != self._before[s.server].admin.forced]
        return [
            *self.lost_weights(touched),
            *(runtime.state(state.server, self._before[state.server].admin) for state in differing),
        ]

    def lost_weights(self, states: Iterable[ServerState]) -> list[str]:
        """What puts back the weights that a reload has reset, or a warm-up has not reached."""
        lost = {
            state.server: before.weight
            for state in states
            if (before := self._before.get(state.server)) is not None and before.weight_is_lost(state)
        }
        for server, weight in lost.items():
            self.weighing(server, weight)
        return [runtime.weight(server, weight) for server, weight in lost.items()]

    def _was_otherwise(self, state: ServerState) -> bool:
        before = self._before.get(state.server)
        return before is not None and _decision(before) != _decision(ServerBefore(state.admin, state.weight))

    def _has_other_weight(self, state: ServerState, process: tuple[int, int]) -> bool:
        if state.server not in self._before or state.weight in self._may_weigh(state.server):
            return False
        return process == self._process or state.weight != state.configured_weight

    def _may_weigh(self, server: Server) -> frozenset[int]:
        before = self._before[server]
        return self._weights.get(server) or frozenset({before.weight, *before.warmup})


def _decision(found: ServerBefore) -> tuple[AdminState, bool]:
    """What a person decides of a server; other weights than 0 are no matter of being out."""
    return found.admin.forced, found.weight == 0


def _others(reading: Reading, changed: Iterable[Server], since: str) -> ChangedByOthers:
    shown = ", ".join(
        f"{state.server} shows {state.status}, weight {state.weight}"
        for state in reading.of(frozenset(changed))
    )
    return ChangedByOthers(
        f"someone else changed it {since}: {shown}", hint="what they set stays; `rollout status` shows it all"
    )
