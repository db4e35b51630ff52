"""The climb of a node's servers on one load balancer to the weight that they had."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby

from rollout.domain import OperationalState, Reading, Server
from rollout.engine.log import StepLog
from rollout.engine.rotation.ledger import Ledger
from rollout.errors import CommandRejected
from rollout.remote import runtime

Send = Callable[[Sequence[str], StepLog], Awaitable[None]]


class Warming:
    """`over` is in seconds: the time from ready to the full weight."""

    def __init__(self, load_balancer: str, ledger: Ledger, over: float, send: Send) -> None:
        self._load_balancer = load_balancer
        self._ledger = ledger
        self._over = over
        self._send = send
        self._climbing: dict[Server, tuple[int, ...]] = {}
        """The weights of each step, the full one last."""
        self._begun = 0.0

    @property
    def servers(self) -> frozenset[Server]:
        """Those that have yet to reach their full weight."""
        return frozenset(self._climbing)

    async def begin(self, servers: Iterable[Server], log: StepLog) -> None:
        """Before they are ready: else all of their share would come at once."""
        self._climbing = {server: steps for server in servers if (steps := self._ledger.climb(server))}
        await self._set({server: steps[0] for server, steps in self._climbing.items()}, log)
        self._begun = asyncio.get_running_loop().time()

    async def go_on(self, reading: Reading, log: StepLog) -> None:
        """What is due by what was just read. HAProxy forgets weights when it is reloaded."""
        states = reading.of(self.servers)
        by_itself = [state.server for state in states if state.operational is OperationalState.STARTING]
        if by_itself:
            # Its `slowstart` holds them back already.
            await self._set({server: self._climbing.pop(server)[-1] for server in by_itself}, log)
            log.add(f"HAProxy's slowstart warms up {_paths(by_itself)}")
        due = {server: self._due(steps) for server, steps in self._climbing.items()}
        wrong = {s.server: due[s.server] for s in states if s.server in due and s.weight != due[s.server]}
        await self._set(wrong, log)
        reached = {server for server, steps in self._climbing.items() if due[server] == steps[-1]}
        self._tell(due, log)
        self._climbing = {s: steps for s, steps in self._climbing.items() if s not in reached - wrong.keys()}

    def _due(self, steps: tuple[int, ...]) -> int:
        passed = asyncio.get_running_loop().time() - self._begun
        lower = len(steps) - 1
        return steps[min(int(passed * lower / self._over), lower)]

    def _tell(self, due: dict[Server, int], log: StepLog) -> None:
        shown = dict.fromkeys(
            f"{due[server]} of {steps[-1]}" for server, steps in self._climbing.items() if server in due
        )
        if shown:
            log.progress(f"weight {', '.join(shown)} on {self._load_balancer}", of=self._load_balancer)

    async def _set(self, weights: dict[Server, int], log: StepLog) -> None:
        """A line for each backend, since one may refuse: a static `balance` takes no weights."""
        for backend, group in groupby(sorted(weights), key=lambda server: server.backend):
            own = list(group)
            for server in own:
                self._ledger.weighing(server, weights[server])
            try:
                await self._send([runtime.weight(server, weights[server]) for server in own], log)
            except CommandRejected as error:
                for server in own:
                    self._climbing.pop(server, None)
                log.add(f"{backend} on {self._load_balancer} is not warmed up: {_said(error)}")
            else:
                for server in own:
                    self._ledger.weighed(server, weights[server])


def _said(error: CommandRejected) -> str:
    return str(error).removeprefix(f"{error.load_balancer}: ")


def _paths(servers: Sequence[Server]) -> str:
    return ", ".join(server.path for server in servers)
