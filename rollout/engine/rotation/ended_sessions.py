"""The sessions that maintenance may have ended, as it does with `on-marked-down shutdown-sessions`."""

from __future__ import annotations

from collections.abc import Iterable

from rollout.decisions.alike import first_of
from rollout.domain import Reading, Server
from rollout.engine.log import StepLog
from rollout.engine.rotation.pinned_clients import PinnedClients


class EndedSessions:
    """The sessions of servers on one load balancer when they are set to maintenance.

    They are those that the last look showed, and those that clients began since: over a slow link, there is
    time for some.
    """

    def __init__(self, pinned: PinnedClients, reading: Reading, servers: Iterable[Server]) -> None:
        """`reading` is the last one before `servers` are set to maintenance."""
        self._pinned = pinned
        self._process = reading.process
        self._states = reading.of(frozenset(servers))

    async def warn(self, after: Reading, log: StepLog, clients: str = "") -> None:
        """Warn of sessions that maintenance ended or may have ended, and name their `clients` if they are
        known. `after` is a reading from after the maintenance."""
        totals = {state.server: state.total_sessions for state in after.servers}
        counts = {
            state.server: state.load + totals[state.server] - state.total_sessions
            for state in self._states
            if after.process == self._process
        }
        if any(counts.values()):
            await self._pinned.look(after)
        cut = {server: count for server, count in counts.items() if count and self._pinned.may_be_cut(server)}
        if cut:
            known = any(self._pinned.is_cut(server) for server in cut)
            log.warn(
                f"maintenance {'ended' if known else 'may have ended'} up to {sum(cut.values())} sessions on "
                f"{first_of([*map(str, cut)])} (`on-marked-down shutdown-sessions`)"
                + (f": {clients}" if clients else "")
            )
