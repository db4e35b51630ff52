"""The clients that keep a draining node busy.

rollout asks for them rarely: HAProxy lists all of its sessions, or none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from rollout.deadline import Deadline
from rollout.domain import Server, ServerState
from rollout.errors import LoadBalancerError
from rollout.ports import LoadBalancer

_FIRST = 2.0
"""Seconds of waiting before HAProxy is asked for the first time: most drains are over by then."""
_AGAIN = 5.0
"""Seconds until it is asked again. With 3,000 sessions an answer is 0.8 MB, and takes HAProxy 30 ms."""
_NAMED = 3
"""How many clients are named; the others are counted."""
_MINUTE = 60


class BusyClients:
    """The clients of one node on one load balancer while rollout waits for them until `deadline`."""

    def __init__(self, balancer: LoadBalancer, deadline: Deadline) -> None:
        self._balancer = balancer
        self._deadline = deadline
        self._next = asyncio.get_running_loop().time() + _FIRST
        self._description = ""

    async def describe(self, busy: Sequence[ServerState]) -> str:
        """The clients and the seconds left, in parentheses; empty at first. Asks HAProxy again when it is
        time."""
        now = asyncio.get_running_loop().time()
        left = self._deadline.left
        if busy and self._next <= now and left > 0:
            self._next = now + _AGAIN
            names = await name_clients([state.server for state in busy], self._balancer)
            time = f"{left:.0f} s left"
            self._description = f" ({names}; {time})" if names else f" ({time})"
        return self._description


async def name_clients(servers: Sequence[Server], balancer: LoadBalancer) -> str:
    """The clients that have been there longest, and how many more; empty if HAProxy does not say."""
    try:
        sessions = await balancer.sessions(servers, named=_NAMED)
    except LoadBalancerError:
        return ""  # `show sess` needs the level operator
    named = [
        f"{session.client} for {_age(session.age)}{f', {session.what}' if session.what else ''}"
        for session in sessions[:_NAMED]
    ]
    more = len(sessions) - len(named)
    return "; ".join([*named, *([f"and {more} more"] if more else [])])


def counted_sessions(states: Iterable[ServerState]) -> str:
    """The number of sessions on servers in words: `1 session`, `2 sessions`."""
    sessions = sum(state.load for state in states)
    return f"{sessions} session{'' if sessions == 1 else 's'}"


def _age(seconds: int) -> str:
    return f"{seconds} s" if seconds < 2 * _MINUTE else f"{seconds // _MINUTE} min"
