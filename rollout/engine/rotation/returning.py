"""How one node comes back into one load balancer's rotation: first a fresh check by HAProxy itself, then
traffic."""

from __future__ import annotations

from collections.abc import Iterable

from rollout.decisions.standing import may_be_down
from rollout.domain import AdminState, CheckResult, Reading, Server, ServerState, Standing
from rollout.engine.log import StepLog
from rollout.engine.rotation.agents import disabling
from rollout.engine.rotation.node_servers import NodeServers, Stage
from rollout.engine.rotation.twins import Twins, Unconfirmed
from rollout.engine.rotation.warming import Warming
from rollout.remote import runtime


class Returning:
    """The way back into rotation of one node on one load balancer. `warming` is `None` without a warm-up.

    `BalancerRotation` holds its lock while one of them sends. They raise what `NodeServers` raises.
    """

    def __init__(self, servers: NodeServers, warming: Warming | None, twins: Twins) -> None:
        self._servers = servers
        self._twins = twins
        self._ledger = servers.ledger
        self._warming = warming
        self._checked: frozenset[Server] = frozenset()
        """The servers that HAProxy checks itself; one that tracks another has that one's health."""
        self.unconfirmed = Unconfirmed({}, 0.0)
        """What came back by the word of a twin."""

    async def begin(self, reading: Reading, log: StepLog) -> None:
        """Make HAProxy check all servers again that it checks itself; they take no traffic yet."""
        self._servers.stage = Stage.PROVING
        await self.check_again(reading, log)
        self._servers.note_told(reading)

    async def check_again(self, reading: Reading, log: StepLog) -> None:
        """Send the commands that restart HAProxy's checks. A server that was in maintenance before stays
        there."""
        self._checked = frozenset(s.server for s in reading.servers if s.checked and not s.tracks)
        await self._servers.send(disabling(reading), log)
        staying = [s for s in self._servers.all if self._ledger.stays_in_maintenance(s)]
        back = [s for s in self._servers.all if not self._ledger.stays_in_maintenance(s)]
        await self._servers.set_state(AdminState.FORCED_MAINT, staying, runtime.maintenance(staying), log)
        await self._twins.look(reading)
        twins = self._twins.begin(reading, self._to_be_checked(reading))
        checking = [*runtime.check(back, self._checked), *twins]
        await self._servers.set_state(AdminState.FORCED_DRAIN, back, checking, log)

    def _to_be_checked(self, reading: Reading) -> list[ServerState]:
        """The servers whose own check must pass. A node that comes back little by little needs no haste."""
        if self._warming is not None:
            return []
        return [
            state
            for state in reading.servers
            if state.server in self._checked
            and not self._ledger.is_kept_out(state.server)
            and not self.why_it_may(state)
        ]

    async def go_on(self, reading: Reading, unproven: list[ServerState], log: StepLog) -> None:
        """Have HAProxy check further servers, if there were too many to check all of them at once."""
        await self._servers.send(self._twins.go_on(reading, unproven), log)

    def unproven(self, reading: Reading) -> list[ServerState]:
        """The servers that HAProxy's check has yet to find healthy.

        A server that tracks another one of the node is proven with it; one that stays out, or may stay down,
        need not be. A process that was started meanwhile proves nothing: it takes all servers for UP.
        """
        if not self._servers.was_told(reading):
            return list(reading.servers)
        own = {server.path for server in self._servers.all}
        return [
            state
            for state in reading.servers
            if not self._is_proven(state, reading)
            and state.tracks not in own
            and not self._ledger.is_kept_out(state.server)
            and not self.why_it_may(state)
        ]

    def why_it_may(self, state: ServerState) -> str:
        """Why a server may be down although its node is well; empty if it must be up."""
        standing = self._ledger.standing(state.server)
        return may_be_down(standing, state.server, self._servers.serving)

    async def enter(self, reading: Reading, log: StepLog) -> None:
        """Put back the servers that were in rotation before, each with its weight or its warm-up's first."""
        back = [server for server in self._servers.all if self._ledger.returns(server)]
        warmed: frozenset[Server] = frozenset()
        if self._warming is not None:
            await self._warming.begin(back, log)
            warmed = self._warming.servers
        self._servers.stage = Stage.BACK
        weights = self._ledger.lost_weights(s for s in reading.servers if s.server not in warmed)
        proven = self._checked.intersection(
            state.server for state in reading.servers if self._is_proven(state, reading)
        )
        agents = frozenset(self._ledger.disabled_agents(reading.servers))
        down = frozenset(server for server in agents if self._ledger.standing(server) is Standing.DOWN)
        if warmed:  # an agent would change the weights, but one that was down needs its agent to stay so
            agents = down
        staying_out = map(runtime.enable_agent, sorted(agents.difference(back)))
        lines = [*weights, *runtime.enter(back, proven, agents, down), *staying_out, *self._twins.remove()]
        by_twin = [s for s in reading.servers if s.server in proven and not _is_proven(s)]
        self.unconfirmed = self._twins.unconfirmed(by_twin)
        await self._servers.set_state(AdminState.READY, back, lines, log)

    def _is_proven(self, state: ServerState, reading: Reading) -> bool:
        """Whether HAProxy's check of a server has passed, or that of its twin."""
        return _is_proven(state) or self._twins.has_passed(state.server, reading)

    def take_down(self, states: Iterable[ServerState]) -> list[str]:
        """The commands by which HAProxy takes servers for DOWN until its checks pass again; none for those
        whose requests that would end."""
        cut = self._servers.pinned_clients.is_cut
        return [runtime.health_down(state.server) for state in states if not cut(state.server)]

    def is_as_it_should_be(self, state: ServerState) -> bool:
        """Whether a server that was put back is in rotation, and one that others keep out is out of it."""
        if self._ledger.is_kept_out(state.server):
            return state.admin.is_out
        return not state.admin.is_out and (state.running or bool(self.why_it_may(state)))


def _is_proven(state: ServerState) -> bool:
    """Whether checks made the server run again, or the first one since it was set down has passed."""
    return state.running or (state.check_health > 0 and state.check_result == CheckResult.PASSED)
