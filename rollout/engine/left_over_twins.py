"""Twins that a deployment left when it was killed: the next one removes them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from rollout.decisions.placement import Placement
from rollout.domain import Server
from rollout.engine.site import Site
from rollout.engine.waiting import read_patiently, run_all, send_patiently
from rollout.errors import CommandRejected, RolloutError
from rollout.ports import LoadBalancer
from rollout.remote import runtime


async def remove_left_over(site: Site, placement: Placement) -> None:
    """Remove the twins of the nodes' servers on all load balancers that answer. Raises nothing."""
    servers = [server for own in placement.values() for server in own]
    await run_all(_remove(site, balancer, servers) for balancer in site.load_balancers.values())


async def _remove(site: Site, balancer: LoadBalancer, servers: Iterable[Server]) -> None:
    patience = site.inventory.strategy.patience
    with contextlib.suppress(RolloutError):  # the steps tell of what cannot be reached
        reading = balancer.recent() or await read_patiently(balancer, patience)
        if not reading.twins:
            return
        wanted = {server.twin for server in servers}
        for twin in reading.twins:
            if twin.server in wanted:
                with contextlib.suppress(CommandRejected):  # it is gone, or somebody uses it
                    await send_patiently(
                        balancer, runtime.remove_twin(twin.server), patience, site.permission
                    )
