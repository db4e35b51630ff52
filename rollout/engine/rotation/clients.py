"""Who still holds a node that is drained. Asked rarely: HAProxy shows all of its sessions, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rollout.domain import Server, ServerState
from rollout.errors import LoadBalancerError
from rollout.ports import LoadBalancer

_FIRST = 2.0
"""Seconds of waiting after which it is asked: most drains are over by then."""
_AGAIN = 5.0
"""Seconds between two times. With 3,000 sessions an answer is 0.8 MB, and takes HAProxy 30 ms."""
_NAMED = 3
_MINUTE = 60


class BusyClients:
    """Of one node's servers on one load balancer, during one wait. `deadline` is by the loop's clock."""

    def __init__(self, balancer: LoadBalancer, deadline: float) -> None:
        self._balancer = balancer
        self._deadline = deadline
        self._next = asyncio.get_running_loop().time() + _FIRST
        self._told = ""

    async def told(self, busy: Sequence[ServerState]) -> str:
        """To be said of a wait that goes on: the same until it is time to ask again."""
        now = asyncio.get_running_loop().time()
        if busy and self._next <= now < self._deadline:
            self._next = now + _AGAIN
            names = await who([state.server for state in busy], self._balancer)
            left = f"{self._deadline - now:.0f} s left"
            self._told = f" ({names}; {left})" if names else f" ({left})"
        return self._told


async def who(servers: Sequence[Server], balancer: LoadBalancer) -> str:
    """The clients that are longest there, and how many more; empty where HAProxy does not tell."""
    try:
        sessions = await balancer.sessions(servers, named=_NAMED)
    except LoadBalancerError:
        return ""  # `show sess` needs the level operator
    named = [
        f"{session.client} for {_for(session.age)}{f', {session.what}' if session.what else ''}"
        for session in sessions[:_NAMED]
    ]
    more = len(sessions) - len(named)
    return "; ".join([*named, *([f"and {more} more"] if more else [])])


def _for(seconds: int) -> str:
    return f"{seconds} s" if seconds < 2 * _MINUTE else f"{seconds // _MINUTE} min"
