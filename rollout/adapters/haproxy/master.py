"""HAProxy's master process: after a reload, it knows the old workers that still finish their requests."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rollout.adapters.haproxy.replies import parse_loads
from rollout.adapters.haproxy.transport import Transport
from rollout.deadline import Deadline
from rollout.errors import LoadBalancerUnreachable, NotHAProxy

_RELOADING = 1.0
"""Seconds for which a master that does not answer is asked again: it comes back after its new worker."""
_FORGOTTEN = 2.0
"""Seconds after which a question is asked again. While workers come and go, the masters of HAProxy 3.0 and
3.2 now and then leave one without an answer for ever, such as one to a worker that ends in that moment."""
_ASK_AGAIN = 0.01
"""Seconds between two tries."""
_OLD_WORKERS = re.compile(r"^# old workers\n((?:\d.*\n)*)", re.MULTILINE)
_WORKERS = re.compile(r"^# workers\n((?:\d.*\n)*)", re.MULTILINE)
_WORKER = re.compile(r"^(\d+)\s+worker\s", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Workers:
    """The process numbers of workers: those that take new connections, and those from before reloads."""

    new: tuple[str, ...]
    old: tuple[str, ...]


class Master:
    """The master of a load balancer, by its `master:` socket."""

    def __init__(self, load_balancer: str, transport: Transport) -> None:
        self._load_balancer = load_balancer
        self._transport = transport

    def renew(self) -> None:
        """Ask on new connections from now on: HAProxy was reloaded, it seems."""
        self._transport.renew()

    async def workers(self) -> Workers:
        """The workers now. Raises LoadBalancerUnreachable, NotHAProxy."""
        processes = await self._processes()
        if not processes.startswith("#<PID>"):
            raise NotHAProxy(
                self._load_balancer,
                f"this is not HAProxy's master socket: it answered {processes.strip()[:80]!r}",
                hint="`master:` must name the socket of `haproxy -W -S PATH`",
            )
        new, old = _WORKERS.search(processes), _OLD_WORKERS.search(processes)
        return Workers(
            tuple(_WORKER.findall(new[1]) if new else ()), tuple(_WORKER.findall(old[1]) if old else ())
        )

    async def sessions(self, workers: Sequence[str]) -> Mapping[str, int]:
        """The number of sessions, queued ones too, that workers still have, by `backend/server`.

        A worker that has ended meanwhile has none. Raises LoadBalancerUnreachable.
        """
        sessions: Counter[str] = Counter()
        for pid in workers:
            reply = await self._ask(f"@!{pid} show stat -1 4 -1")
            if not reply.startswith("Can't find the target PID"):
                sessions.update(parse_loads(self._load_balancer, reply))
        return sessions

    async def _processes(self) -> str:
        deadline = Deadline(_RELOADING)
        while True:
            try:
                if processes := await self._ask("show proc"):
                    return processes
                raise LoadBalancerUnreachable(
                    self._load_balancer, "its master process closed the connection without answering"
                )
            except LoadBalancerUnreachable:
                self.renew()
                if deadline.passed:
                    raise
                await asyncio.sleep(_ASK_AGAIN)

    async def _ask(self, command: str) -> str:
        """The answer to a question, which is asked again where the master seems to have forgotten it."""
        request = f"{command}\n".encode()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FORGOTTEN):
                return (await self._transport.ask(request)).decode(errors="replace")
        self.renew()
        return (await self._transport.ask(request)).decode(errors="replace")
