"""The proof that a node may take traffic again: its own page's, and every load balancer's own check."""

from __future__ import annotations

import asyncio

from rollout.engine.context import NodeContext
from rollout.engine.health_page import prove_healthy
from rollout.engine.log import StepLog
from rollout.engine.rotation.protocol import Rotation
from rollout.engine.waiting import together


async def prove(context: NodeContext, rotation: Rotation, log: StepLog) -> None:
    """Both must hold. The load balancers look while the page is asked for the rest of its right answers,
    since their checks come at their own pace; they are not let look before it was right once. Raises
    StepFailure.
    """
    health = context.inventory.health
    if health is None:
        await rotation.prove(log)
        return
    by_page = context.inventory.drain.health_page is not None
    right_once = asyncio.Event()

    async def load_balancers() -> None:
        await right_once.wait()
        await rotation.prove(log)

    await together(
        [prove_healthy(context, health, log, draining=by_page, right_once=right_once), load_balancers()]
    )
