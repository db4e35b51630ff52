"""The proof that a node may take traffic again: by its health page, and by every load balancer's check."""

from __future__ import annotations

import asyncio

from rollout.engine.context import NodeContext
from rollout.engine.health_page import prove_healthy
from rollout.engine.log import StepLog
from rollout.engine.rotation.protocol import Rotation
from rollout.engine.waiting import run_all


async def prove(context: NodeContext, rotation: Rotation, log: StepLog) -> None:
    """Wait until the node's health page and every load balancer's check find it healthy. Raises StepFailure.

    The load balancers begin to check once the page was right for the first time. Their checks come at their
    own pace, so the page is asked for its further right answers meanwhile.
    """
    health = context.inventory.health
    if health is None:
        await rotation.prove(log)
        return
    drained_by_page = context.inventory.drain.health_page is not None
    right_once = asyncio.Event()

    async def by_load_balancers() -> None:
        await right_once.wait()
        await rotation.prove(log)

    await run_all(
        [
            prove_healthy(context, health, log, draining=drained_by_page, right_once=right_once),
            by_load_balancers(),
        ]
    )
