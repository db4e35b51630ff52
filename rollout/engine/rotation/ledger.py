"""The record of a node's servers on one load balancer: how they were before, and what rollout set since.

Anything else that HAProxy shows was done by somebody else. Two such changes cannot be detected: one that is
identical to what rollout set (`maint` on a server that is in maintenance already), and one that was made
around a reload of HAProxy, since the reload itself changes what is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from rollout.decisions.alike import first_of
from rollout.domain import AdminState, Reading, Server, ServerBefore, ServerState, Standing
from rollout.errors import ChangedByOthers
from rollout.remote import runtime

_ANY = frozenset({AdminState.READY, AdminState.FORCED_DRAIN, AdminState.FORCED_MAINT})


class Ledger:
    """The record of a node's servers on one load balancer.

    `before` is how to leave the servers; a server that is missing there is left as `open` first sees it.
    `taken_up` says that an earlier try left the node out: what HAProxy shows at first was set by rollout.
    """

    def __init__(self, before: Mapping[Server, ServerBefore], *, taken_up: bool) -> None:
        self._before = dict(before)
        self._taken_up = taken_up
        self._states: dict[Server, frozenset[AdminState]] = {}
        """The states that HAProxy may show unless somebody else sets one; any, while there is no entry."""
        self._weights: dict[Server, frozenset[int]] = {}
        """The weights that HAProxy may show unless somebody else sets one; while there is no entry, those of
        the server's warm-up, which an earlier try may have set."""
        self._changed: set[Server] = set()
        self._given_up: set[Server] = set()
        self._opened = False
        self._first_process = (0, 0)
        """The process that has the weights of before; unknown where an earlier try left the node out."""

    @property
    def changed(self) -> frozenset[Server]:
        """The servers whose state or weight others have changed."""
        return frozenset(self._changed)

    @property
    def given_up(self) -> frozenset[Server]:
        """The servers whose state others have changed: rollout no longer sends them anything."""
        return frozenset(self._given_up)

    def open(self, reading: Reading) -> None:
        """Record the first reading, taken before anything is set; later calls do nothing.

        Raises ChangedByOthers if a server is no longer as it was when the deployment was planned.
        """
        if self._opened:
            return
        self._require_not_moved(reading)
        if not self._taken_up:
            self._changed.update(s.server for s in reading.servers if self._differs_from_plan(s))
            if self._changed:
                raise _changed_by_others(reading, self._changed, "since the deployment began")
            self._first_process = reading.process
        some_are_up = any(state.running for state in reading.servers)
        for state in reading.servers:
            now = ServerBefore(state.admin, state.weight, agent=state.agent_checked)
            before = self._before.setdefault(state.server, now)
            if not self._taken_up and state.found_down and not before.standing.was_down:
                replaced = some_are_up or before.standing is Standing.ALONE
                standing = Standing.DOWN if replaced else Standing.BROKEN
                before = self._before[state.server] = dataclasses.replace(before, standing=standing)
            if not (before.is_warming(state) or (self._taken_up and before.weight_is_lost(state))):
                self._before[state.server] = before.with_weight(state.weight)
            self._states[state.server] = frozenset({state.admin.forced})
            self._weights[state.server] = frozenset({state.weight})
        self._opened = True

    def adopt(self, states: Iterable[ServerState]) -> None:
        """Record servers that a load balancer has only now: they are left as they are seen first."""
        for state in states:
            before = ServerBefore(state.admin, state.weight, agent=state.agent_checked, address=state.address)
            self._before.setdefault(state.server, before)

    def about_to_set_state(self, servers: Iterable[Server], admin: AdminState) -> None:
        """Record that `admin` is about to be sent: until HAProxy answers, it may show either state."""
        for server in servers:
            self._states[server] = self._states.get(server, _ANY) | {admin}

    def state_set(self, servers: Iterable[Server], admin: AdminState) -> None:
        """Record that HAProxy has taken `admin`: any other state is somebody else's from now on."""
        for server in servers:
            self._states[server] = frozenset({admin})

    def about_to_set_weight(self, server: Server, weight: int) -> None:
        """Record that `weight` is about to be sent: until HAProxy answers, it may show either one."""
        self._weights[server] = self._possible_weights(server) | {weight}

    def weight_set(self, server: Server, weight: int) -> None:
        """Record that HAProxy has taken `weight`: any other weight is somebody else's from now on."""
        self._weights[server] = frozenset({weight})

    def still_ours(self, reading: Reading, *, reloaded: bool) -> tuple[ServerState, ...]:
        """Compare a reading with the record. Gives the servers whose state nobody else has changed.

        A weight that somebody else set is adopted: the server ends with it. `reloaded` says that another
        process answered, which may have lost what was set: then no state counts as changed.
        """
        for state in reading.servers:
            if not reloaded and state.admin.forced not in self._states.get(state.server, _ANY):
                self._given_up.add(state.server)
                self._changed.add(state.server)
            if self._has_foreign_weight(state, reading.process):
                self._before[state.server] = dataclasses.replace(
                    self._before[state.server], weight=state.weight, warmup=()
                )
                self.weight_set(state.server, state.weight)
                self._changed.add(state.server)
        return tuple(state for state in reading.servers if state.server not in self._given_up)

    def require_unchanged(self, reading: Reading, *, reloaded: bool, since: str) -> None:
        """Compare a reading with the record. Raises ChangedByOthers if somebody else changed a server.

        `since` is when, in the words of the message.
        """
        self.still_ours(reading, reloaded=reloaded)
        if self._changed:
            raise _changed_by_others(reading, self._changed, since)

    def is_kept_out(self, server: Server) -> bool:
        """Whether somebody else keeps the server out: it was out before."""
        return server in self._before and self._before[server].kept_out

    def stays_in_maintenance(self, server: Server) -> bool:
        """Whether the server was set to maintenance before: then it never leaves it."""
        return server in self._before and self._before[server].stays_in_maintenance

    def standing(self, server: Server) -> Standing:
        """Whether HAProxy's check must find the server up again."""
        return self._before[server].standing if server in self._before else Standing.UP

    def returns(self, server: Server) -> bool:
        """Whether the server is set ready at the end: nobody had set it to anything else before."""
        return server not in self._before or self._before[server].returns

    def climb(self, server: Server) -> tuple[int, ...]:
        """The weights of the server's warm-up, rising to its own; none if there is no warm-up."""
        before = self._before.get(server)
        return () if before is None else before.climb

    def has_no_steps(self, server: Server) -> bool:
        """Whether the server's weight is 1: HAProxy has no weight between that and 0 to warm it up by."""
        return server in self._before and self._before[server].weight == 1

    def as_before(self, states: Iterable[ServerState]) -> list[str]:
        """The commands that put back, as they were, the servers that rollout has changed."""
        touched = [state for state in states if state.server in self._states]
        differing = [s for s in touched if s.admin.forced != self._before[s.server].admin.forced]
        return [
            *self.lost_weights(touched),
            *(line for state in differing for line in self._state_as_before(state)),
            *map(runtime.enable_agent, self.disabled_agents(touched)),
        ]

    def _state_as_before(self, state: ServerState) -> list[str]:
        """The commands that put back the state of a server. Leaving maintenance would make one UP that was
        down before, and so does the absence of its agent: it stays DOWN until its check passes."""
        before = self._before[state.server]
        would_rise = before.agent or (state.checked and state.admin.in_maintenance)
        stays_down = before.standing.was_down and would_rise and not state.tracks
        down_first = [runtime.drain(state.server), runtime.health_down(state.server)] if stays_down else []
        return [*down_first, runtime.state(state.server, before.admin)]

    def disabled_agents(self, states: Iterable[ServerState]) -> list[Server]:
        """The servers whose agents rollout has disabled."""
        return [
            state.server
            for state in states
            if state.agent_disabled and state.server in self._before and self._before[state.server].agent
        ]

    def lost_weights(self, states: Iterable[ServerState]) -> list[str]:
        """The commands that put back weights that a reload has reset, or that a warm-up has not reached.

        They are recorded as about to be sent.
        """
        lost = {
            state.server: before.weight
            for state in states
            if (before := self._before.get(state.server)) is not None and before.weight_is_lost(state)
        }
        for server, weight in lost.items():
            self.about_to_set_weight(server, weight)
        return [runtime.weight(server, weight) for server, weight in lost.items()]

    def _differs_from_plan(self, state: ServerState) -> bool:
        before = self._before.get(state.server)
        return before is not None and _decision(before) != _decision(ServerBefore(state.admin, state.weight))

    def _require_not_moved(self, reading: Reading) -> None:
        """Raises ChangedByOthers if a server has another address than when it was found to be the node's."""
        for state in reading.servers:
            before = self._before.get(state.server)
            if before is not None and before.address not in ("", state.address):
                raise ChangedByOthers(
                    f"{state.server} is at {state.address} now, but was at {before.address} when the "
                    "deployment was planned",
                    hint="it may be another node now: look at `rollout check`, then deploy again",
                )

    def _has_foreign_weight(self, state: ServerState, process: tuple[int, int]) -> bool:
        """Whether somebody else set the weight; a process other than the first may have reset it itself, and
        an agent may set it."""
        before = self._before.get(state.server)
        if before is None or before.agent or state.weight in self._possible_weights(state.server):
            return False
        return process == self._first_process or state.weight != state.configured_weight

    def _possible_weights(self, server: Server) -> frozenset[int]:
        before = self._before[server]
        return self._weights.get(server) or frozenset({before.weight, *before.warmup})


def _decision(server: ServerBefore) -> tuple[AdminState, bool]:
    """A person's decision about a server: its state, and whether its weight is 0. Any other weight
    keeps it in rotation."""
    return server.admin.forced, server.weight == 0


def _changed_by_others(reading: Reading, changed: Iterable[Server], since: str) -> ChangedByOthers:
    shown = first_of(
        [
            f"{state.server} shows {state.status}, weight {state.weight}"
            for state in reading.of(frozenset(changed))
        ]
    )
    return ChangedByOthers(
        f"someone else changed it {since}: {shown}",
        hint="rollout leaves what they set; `rollout status` shows it",
    )
