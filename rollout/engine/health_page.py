"""A node's own health page, which proves that it runs the right release and is healthy."""

from __future__ import annotations

import asyncio

from rollout.deadline import Deadline, look
from rollout.decisions.health import fault
from rollout.domain import Answer
from rollout.engine.context import NodeContext
from rollout.engine.log import StepLog
from rollout.errors import NobodyListens, RequestFailed, StepFailure
from rollout.inventory.health import Health

REQUEST_TIMEOUT = 5.0
"""Seconds in which a health page must answer, if `health.timeout` is not shorter."""
_REFUSED_PAUSE = 0.03
"""Seconds until the next try while nothing listens yet: there, asking costs little, and waiting much."""
_REFUSED_SHARE = 0.02
"""The same, as a share of the time for which nothing has listened, where that is longer."""


async def ask(context: NodeContext, health: Health) -> Answer:
    """Ask the node's health page once. Raises RequestFailed."""
    timeout = min(REQUEST_TIMEOUT, health.timeout)
    url = context.fill(health.http)
    return await look(lambda: context.http.request("GET", url, timeout=timeout))


async def prove_healthy(
    context: NodeContext,
    health: Health,
    log: StepLog,
    *,
    draining: bool = False,
    right_once: asyncio.Event | None = None,
) -> None:
    """Ask the health page until it gives `health.successes` right answers in a row.

    `right_once` is set at the first of them. `draining` says that the page may answer 404, since rollout has
    set it to. Raises StepFailure after `health.timeout`, with what was wrong last.
    """
    deadline = Deadline(health.timeout)
    clock = asyncio.get_running_loop().time
    begun = clock()
    right, wrong = 0, "no answer"
    while right < health.successes:
        pause = health.interval
        try:
            async with asyncio.timeout_at(deadline.at):
                answer = await ask(context, health)
        except TimeoutError:
            if not deadline.passed:
                continue
            after = f"no answer after {right} of {health.successes} right answers"
            raise _unhealthy(context, health, wrong or after) from None
        except RequestFailed as error:
            right, wrong = 0, str(error)
            if isinstance(error, NobodyListens):
                pause = min(pause, max(_REFUSED_PAUSE, _REFUSED_SHARE * (clock() - begun)))
        else:
            wrong = fault(answer, health, context.release, draining=draining)
            right = 0 if wrong else right + 1
            if right and right_once is not None:
                right_once.set()
        log.progress(wrong or f"{right} of {health.successes} right answers")
        if right < health.successes:
            if pause > deadline.left:
                raise _unhealthy(
                    context, health, wrong or f"only {right} of {health.successes} right answers in a row"
                )
            await asyncio.sleep(pause)


def _unhealthy(context: NodeContext, health: Health, wrong: str) -> StepFailure:
    return StepFailure(
        f"{context.fill(health.http)} was not healthy within {health.timeout:g} s: {wrong}",
        hint="the node stays out of rotation until it is healthy",
    )
