"""The restart of an application: a driver's command or request, and the proof that it happened."""

from __future__ import annotations

import asyncio

from rollout.deadline import Deadline
from rollout.engine.context import NodeContext
from rollout.engine.log import StepLog
from rollout.errors import AnswerLost, CommandTimedOut, NotRunning, ReleaseRefused, StepFailure
from rollout.restart import plan_restart
from rollout.restart.driver import Proof, ProofStatus, RestartPlan

LOOK = 30.0
"""Seconds for one look at the state of the application."""
LOOK_AGAIN = 0.1
"""Seconds between two looks while the proof is waited for."""


async def restart(context: NodeContext, plan: RestartPlan, log: StepLog) -> str | None:
    """Restart the application, and wait for the proof that it was restarted.

    Returns what the line of the plan's proof printed then, if it has one. Raises StepFailure with the last
    lines that the application printed; NotRunning if there is nothing to restart; ReleaseRefused; HostError.
    """
    proof = plan.proof
    if proof is None:
        await _send(context, plan, log)
        return None
    deadline = Deadline(plan.timeout)
    looked = await context.look(proof.observe, timeout=LOOK)
    if looked.status != 0:
        # Without it, whatever runs later would look new, although the restart is yet to come.
        raise StepFailure(
            f"`{proof.observe}` exited with {looked.status} before the restart", tail=looked.tail
        )
    before = "\n".join(looked.tail)
    if reason := proof.stopped(before):
        raise NotRunning(reason)
    try:
        await _send(context, plan, log)
    except StepFailure as failure:
        tail = await explanation(context, plan)
        kept = proof.compare(before, await observed(context, proof.observe)).kept
        raise _failed(kept)(str(failure), hint=failure.hint, tail=tail) from None
    except (AnswerLost, CommandTimedOut) as error:
        # The restart may have worked: the observation decides.
        log.progress(str(error))
    return await _proved(context, plan, proof, before, deadline, log)


async def at_rest(context: NodeContext, log: StepLog) -> None:
    """Wait until no other program works on the application any more, for a restart whose end nobody saw.

    Raises StepFailure if it still does after the time-out of a restart, HostError.
    """
    plan = plan_restart(context.inventory.restart, context.fill)
    if plan.job is None:
        return
    deadline = Deadline(plan.timeout)
    while under_way := plan.job.under_way(await observed(context, plan.job.observe)):
        log.progress(under_way)
        if deadline.passed:
            raise StepFailure(under_way)
        await asyncio.sleep(LOOK_AGAIN)


async def explanation(context: NodeContext, plan: RestartPlan) -> tuple[str, ...]:
    """The last lines that the application printed, oldest first; none if the driver cannot find them."""
    if plan.proof is None:
        return ()
    return (await context.look(plan.proof.explain, timeout=LOOK)).tail


async def _proved(
    context: NodeContext, plan: RestartPlan, proof: Proof, before: str, deadline: Deadline, log: StepLog
) -> str:
    """Wait for the proof; return what its line printed then. Raises StepFailure, HostError."""
    while True:
        after = await observed(context, proof.observe)
        result = proof.compare(before, after)
        if result.status is ProofStatus.DONE:
            log.detail = result.detail
            return after
        log.progress(result.detail)
        if result.status is ProofStatus.FAILED or deadline.passed:
            late = "" if result.status is ProofStatus.FAILED else f" within {plan.timeout:g} s"
            tail = await explanation(context, plan)
            raise _failed(result.kept)(f"not restarted{late}: {result.detail}", tail=tail)
        await asyncio.sleep(LOOK_AGAIN)


def _failed(kept: bool) -> type[StepFailure]:
    """The error to raise for a restart that failed; `kept` is that of its proof."""
    return ReleaseRefused if kept else StepFailure


async def _send(context: NodeContext, plan: RestartPlan, log: StepLog) -> None:
    """Send the request and run the command of the plan. Raises StepFailure, HostError."""
    timeout = plan.timeout
    if plan.ask is not None:
        await context.request(plan.ask.method, plan.ask.url, timeout=timeout, log=log)
    if plan.command is not None:
        await context.run(plan.command, timeout=timeout, log=log, shown=plan.shown)


async def observed(context: NodeContext, line: str) -> str:
    """What a line prints that looks at the application. Raises HostError."""
    return "\n".join((await context.look(line, timeout=LOOK)).tail)
