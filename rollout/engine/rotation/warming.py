"""The warm-up of a node's servers on one load balancer: their weights rise by steps to what they were."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby

from rollout.decisions.alike import first_of
from rollout.domain import OperationalState, Reading, Server
from rollout.engine.log import StepLog
from rollout.engine.rotation.node_servers import NodeServers
from rollout.errors import CommandRejected
from rollout.remote import runtime


class Warming:
    """The warm-up of one node on one load balancer. `over` is the seconds from ready to the full weight.

    `BalancerRotation` holds its lock while one of the methods runs.
    """

    def __init__(self, servers: NodeServers, over: float) -> None:
        self._servers = servers
        self._ledger = servers.ledger
        self._over = over
        self._climbing: dict[Server, tuple[int, ...]] = {}
        """The weights of all steps, the full one last, of each server that has yet to reach it."""
        self._begun = 0.0

    @property
    def servers(self) -> frozenset[Server]:
        """The servers that have yet to reach their full weight."""
        return frozenset(self._climbing)

    async def begin(self, servers: Iterable[Server], log: StepLog) -> None:
        """Set the first weights. Called before the servers are ready: they would get their full share."""
        self._climbing = {server: steps for server in servers if (steps := self._ledger.climb(server))}
        await self._set({server: steps[0] for server, steps in self._climbing.items()}, log)
        self._begun = asyncio.get_running_loop().time()

    async def go_on(self, reading: Reading, log: StepLog) -> None:
        """Set the weights that are due where the reading shows others, as it does after a reload."""
        states = reading.of(self.servers)
        slowly_started = [state.server for state in states if state.operational is OperationalState.STARTING]
        if slowly_started:
            # HAProxy's own `slowstart` holds them back already.
            await self._set({server: self._climbing.pop(server)[-1] for server in slowly_started}, log)
            log.add(f"HAProxy's slowstart warms up {_paths(slowly_started)}")
        due = {server: self._due(steps) for server, steps in self._climbing.items()}
        wrong = {s.server: due[s.server] for s in states if s.server in due and s.weight != due[s.server]}
        await self._set(wrong, log)
        reached = {server for server, steps in self._climbing.items() if due[server] == steps[-1]}
        self._show(due, log)
        self._climbing = {s: steps for s, steps in self._climbing.items() if s not in reached - wrong.keys()}

    def _due(self, steps: tuple[int, ...]) -> int:
        passed = asyncio.get_running_loop().time() - self._begun
        lower = len(steps) - 1
        return steps[min(int(passed * lower / self._over), lower)]

    def _show(self, due: dict[Server, int], log: StepLog) -> None:
        shown = dict.fromkeys(
            f"{due[server]} of {steps[-1]}" for server, steps in self._climbing.items() if server in due
        )
        if shown:
            balancer = self._servers.load_balancer
            log.progress(f"weight {', '.join(shown)} on {balancer}", of=balancer)

    async def _set(self, weights: dict[Server, int], log: StepLog) -> None:
        """Send the weights. If HAProxy refuses one, send those of each backend on their own, since a static
        `balance` takes no weights: its servers are not warmed up."""
        servers = sorted(weights)
        try:
            await self._send(servers, weights, log)
        except CommandRejected:
            refused = []
            for backend, group in groupby(servers, key=lambda server: server.backend):
                own = list(group)
                try:
                    await self._send(own, weights, log)
                except CommandRejected as error:
                    for server in own:
                        self._climbing.pop(server, None)
                    balancer = self._servers.load_balancer
                    refused.append(f"{backend} on {balancer} is not warmed up: {_reason(error)}")
            if refused:
                log.add(first_of(refused))

    async def _send(self, servers: Sequence[Server], weights: dict[Server, int], log: StepLog) -> None:
        for server in servers:
            self._ledger.about_to_set_weight(server, weights[server])
        await self._servers.send([runtime.weight(server, weights[server]) for server in servers], log)
        for server in servers:
            self._ledger.weight_set(server, weights[server])


def _reason(error: CommandRejected) -> str:
    return str(error).removeprefix(f"{error.load_balancer}: ")


def _paths(servers: Sequence[Server]) -> str:
    return first_of([server.path for server in servers])
