"""The first events of a deployment: the plan, who carries it out, and how every server was before."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping

from rollout import __version__
from rollout.cli.ci_job import job_address
from rollout.cli.process import user
from rollout.decisions.capacity import tightest
from rollout.decisions.plan import Plan
from rollout.engine.site import Survey
from rollout.events import (
    CapacityPlanned,
    DeploymentResumed,
    DeploymentStarted,
    Event,
    ReleaseNoted,
    ServerNoted,
    Warned,
)
from rollout.inventory import Inventory


def deployment_started(
    inventory: Inventory,
    plan: Plan,
    seen: Survey,
    previous: Mapping[str, str],
    *,
    rollback_of: int | None = None,
) -> Iterator[Event]:
    """The events of a deployment that starts. `previous` are the nodes' releases, where they are known."""
    yield DeploymentStarted(
        service=plan.service,
        release=plan.release,
        nodes=plan.nodes,
        skipped=tuple(plan.skipped),
        load_balancers=tuple(sorted({c.load_balancer for c in plan.capacity})),
        window=plan.window,
        canary=plan.canary,
        inventory=str(inventory.path),
        user=user(),
        host=socket.gethostname(),
        pid=os.getpid(),
        releases=dict(plan.releases),
        rollback_of=rollback_of,
        on_failure="halt" if rollback_of is not None else inventory.strategy.on_failure or "halt",
        on_judged="halt" if rollback_of is not None else inventory.strategy.on_failure or "rollback",
        waves=plan.waves,
        balanced=inventory.behind_load_balancers,
        job=job_address(os.environ),
        version=__version__,
        bake=inventory.strategy.bake_seconds,
    )
    yield from _capacity(plan)
    for name in plan.nodes:
        for state in seen.states(name):
            before = plan.before[state.server]
            yield ServerNoted(
                node=name,
                load_balancer=state.server.load_balancer,
                backend=state.server.backend,
                server=state.server.name,
                admin=int(before.admin),
                weight=before.weight,
                status=state.status,
                warmup=before.warmup,
                standing=before.standing,
                agent=before.agent,
            )
    yield from (ReleaseNoted(name, previous[name]) for name in plan.nodes if name in previous)
    yield from _warnings(plan)


def deployment_resumed(inventory: Inventory, plan: Plan) -> Iterator[Event]:
    """The events of a deployment that continues where it was interrupted or halted."""
    yield DeploymentResumed(
        nodes=plan.nodes,
        skipped=tuple(plan.skipped),
        user=user(),
        host=socket.gethostname(),
        pid=os.getpid(),
        job=job_address(os.environ),
        bake=inventory.strategy.bake_seconds,
    )
    yield from _capacity(plan)
    yield from _warnings(plan)


def _capacity(plan: Plan) -> Iterator[Event]:
    for each in tightest(plan.capacity).values():
        yield CapacityPlanned(each.load_balancer, each.backend, each.now, each.least, each.floor)


def _warnings(plan: Plan) -> Iterator[Event]:
    yield from (Warned(f"skipped: {reason}", node=name) for name, reason in plan.skipped.items())
    yield from map(Warned, plan.warnings)
