"""A deployment over real load balancers, with commands that a test can hold or fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rollout.decisions.plan import Plan
from rollout.decisions.progress import NodeProgress
from rollout.domain import AdminState, Completed, Step
from rollout.engine.checks.preflight import make_plan, require_safe
from rollout.engine.deployment import Deployment
from rollout.engine.site import Site
from rollout.events import NodeFailed, NodeFinished, Progressed, ServerNoted, StepStarted
from tests.support.shop import Shop, shop
from tests.support.site import AppHost, inventory, site

CHECK = ("option httpchk GET /_status", "default-server check inter 50ms rise 2 fall 2")


def backend(nodes: int) -> dict[str, tuple[str, ...]]:
    servers = [f"server web{number} {{web{number}}}" for number in range(1, nodes + 1)]
    return {"shop": (*CHECK, *servers)}


class Rolling:
    """A deployment over a shop, about to run."""

    def __init__(self, here: Shop, hosts: dict[str, AppHost], where: Site, plan: Plan) -> None:
        self.here = here
        self.hosts = hosts
        self.site = where
        self.plan = plan
        self.deployment: Deployment

    def finished(self) -> list[str]:
        return [event.node for event in self.here.told(NodeFinished)]

    def drained_from(self) -> list[str]:
        return [event.node for event in self.here.told(StepStarted) if event.step is Step.DRAIN]

    def failed(self) -> dict[str, bool]:
        """Whether each failed node was left out."""
        return {event.node: event.left_out for event in self.here.told(NodeFailed)}

    async def admin(self, node: str) -> dict[str, tuple[AdminState, int]]:
        """What is set of each of a node's servers, and its weight, by load balancer."""
        states = await self.here.states(node)
        return {name.split()[0]: (state.admin, state.weight) for name, state in states.items()}

    async def status(self, node: str) -> str:
        return (await self.here.states(node))["lb1 shop"].status

    def fail(self, node: str, line: str = "restart") -> None:
        """Have a command on a node exit with 1."""

        async def failing() -> Completed:
            return Completed(1, ("no", "such", "thing"))

        self.hosts[node].actions[line] = failing

    def hold(self, node: str) -> asyncio.Event:
        """Have the restart of a node take until the event is set."""
        release = asyncio.Event()

        async def held() -> Completed:
            await release.wait()
            return await self.hosts[node].restart()

        self.hosts[node].actions["restart"] = held
        return release

    def most_out(self) -> int:
        """The most nodes that were on their way at the same time, as the events tell."""
        on_their_way: set[str] = set()
        most = 0
        for event in self.here.events:
            if isinstance(event, StepStarted):
                on_their_way.add(event.node)
            elif isinstance(event, NodeFinished | NodeFailed):
                on_their_way.discard(event.node)
            most = max(most, len(on_their_way))
        return most

    def told(self, text: str) -> bool:
        """Whether a node waits, or waited, for something of which this was told."""
        return any(text in event.detail for event in self.here.told(Progressed))

    def restarting(self, node: str) -> bool:
        return "restart" in self.hosts[node].lines


async def noted(here: Shop, name: str) -> tuple[ServerNoted, ...]:
    """A node's servers as a deployment notes them before it touches them."""
    readings = [await haproxy.read() for haproxy in here.haproxies.values()]
    return tuple(
        ServerNoted(
            name,
            state.server.load_balancer,
            state.server.backend,
            state.server.name,
            int(state.admin),
            state.weight,
            state.status,
        )
        for reading in readings
        for state in reading.servers
        if state.server.name == name
    )


@asynccontextmanager
async def rolling(
    binary: Path,
    nodes: int = 3,
    *,
    backends: dict[str, tuple[str, ...]] | None = None,
    balancers: int = 1,
    new_release: str | None = None,
    zones: str = "",
    left_out: Sequence[str] = (),
    allow_outage: bool = False,
    found: Mapping[str, Sequence[str]] | None = None,
    include_out_of_rotation: bool = False,
    arrange: Callable[[Shop], Awaitable[None]] | None = None,
    settings: Sequence[str] = (),
    ring: Sequence[str] | None = None,
    **sections: Any,
) -> AsyncIterator[Rolling]:
    """A shop whose nodes are about to be rolled; `sections` are the inventory's.

    `zones` has a letter for each node. An earlier deployment has `left_out` some of them. `found` is what an
    operator told each load balancer before, and `arrange` does what else is to be so before. `settings` and
    `ring` are as `Balancer` takes them.
    """
    async with shop(
        binary, backends or backend(nodes), nodes=nodes, balancers=balancers, settings=settings, ring=ring
    ) as here:
        hosts = {name: AppHost(app) for name, app in here.apps.items()}
        for (name, app), zone in zip(here.apps.items(), zones, strict=False):
            sections.setdefault("nodes", {})[name] = {"host": app.host, "ssh": "local", "zone": zone}
        ours = {name: NodeProgress(name, servers=await noted(here, name)) for name in left_out}
        for haproxy in here.haproxies.values():
            for name in left_out:
                await haproxy.send([f"set server shop/{name} state maint"])
        for name, commands in (found or {}).items():
            await here.haproxies[name].send(commands)
        if arrange is not None:
            await arrange(here)
        async with site(here, inventory(here, **sections), hosts) as where:
            plan, seen = await make_plan(
                where,
                list(here.apps),
                new_release,
                ours=ours,
                include_out_of_rotation=include_out_of_rotation,
                allow_outage=allow_outage,
            )
            await require_safe(where, plan, seen, allow_outage=allow_outage)
            made = Rolling(here, hosts, where, plan)
            record = here.events.append
            made.deployment = Deployment(where, plan, 1, {}, record, allow_outage=allow_outage)
            yield made
