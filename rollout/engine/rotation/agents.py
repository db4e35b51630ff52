"""The agents of a node's servers (`agent-check`): HAProxy asks none of them while the node is out.

An agent that says `ready` ends a drain or a maintenance within moments, and HAProxy shows nowhere which
agents do. Once an agent is disabled, HAProxy ignores its answer to an earlier question.
"""

from __future__ import annotations

from collections.abc import Collection

from rollout.domain import Reading, Server
from rollout.remote import runtime


def asked(reading: Reading) -> frozenset[Server]:
    """The servers whose agents HAProxy asks now."""
    return frozenset(state.server for state in reading.servers if state.agent_checked)


def disabling(reading: Reading, but: Collection[Server] = ()) -> list[str]:
    """The commands that disable the agents that HAProxy asks now, `but` for those of some servers."""
    return [runtime.disable_agent(server) for server in sorted(asked(reading).difference(but))]
