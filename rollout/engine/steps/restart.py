"""The restart of an application: a driver's command or request, and the proof that it happened."""

from __future__ import annotations

import asyncio

from rollout.deadline import Deadline
from rollout.engine.context import NodeContext
from rollout.engine.log import StepLog
from rollout.errors import AnswerLost, CommandTimedOut, NotRunning, ReleaseRefused, StepFailure
from rollout.restart import driver, plan_restarts
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
        try:
            await _send(context, plan, log)
        except StepFailure as failure:
            failure.tail = await explanation(context, plan) or failure.tail
            raise
        return None
    deadline = Deadline(plan.timeout)
    lines: list[str] = []
    looked = await context.look(proof.observe, timeout=LOOK, lines=lines)
    if looked.status != 0:
        # Without it, whatever runs later would look new, although the restart is yet to come.
        raise StepFailure(
            f"`{proof.observe}` exited with {looked.status} before the restart", tail=looked.tail
        )
    before = "\n".join(lines)
    if reason := proof.stopped(before):
        raise NotRunning(reason)
    try:
        await _send(context, plan, log)
    except NotRunning:
        raise
    except StepFailure as failure:
        tail = await explanation(context, plan) or failure.tail
        kept = await _is_kept(context, proof, before)
        raise _failed(kept)(str(failure), hint=failure.hint, tail=tail) from None
    except (AnswerLost, CommandTimedOut) as error:
        # The restart may have worked: the observation decides.
        log.progress(str(error))
    return await _proved(context, plan, proof, before, deadline, log)


async def at_rest(context: NodeContext, log: StepLog) -> None:
    """Wait until no other program works on the application any more, for a restart whose end nobody saw.

    Raises StepFailure if it still does after the time-out of a restart, HostError.
    """
    for plan in plan_restarts(context.inventory, context.fill):
        if plan.job is None:
            continue
        deadline = Deadline(plan.timeout)
        while under_way := plan.job.under_way(await observed(context, plan.job.observe)):
            log.progress(under_way)
            if deadline.passed:
                raise StepFailure(under_way)
            await asyncio.sleep(LOOK_AGAIN)


async def explanation(context: NodeContext, plan: RestartPlan) -> tuple[str, ...]:
    """The last lines that the application printed, oldest first; none if the driver cannot find them."""
    if plan.explain is None:
        return ()
    return (await context.look(plan.explain, timeout=LOOK)).tail


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
            # What is late may be yet to come: it is kept only if the driver knows that it will not.
            kept = result.kept and not late
            raise _failed(kept)(f"not restarted{late}: {result.detail}", tail=tail)
        await asyncio.sleep(LOOK_AGAIN)


async def _is_kept(context: NodeContext, proof: Proof, before: str) -> bool:
    """Whether what ran before a command that failed runs on as it did: not only now, and then it ends."""
    if not proof.compare(before, await observed(context, proof.observe)).kept:
        return False
    await asyncio.sleep(driver.STEADY)
    return proof.compare(before, await observed(context, proof.observe)).kept


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
    """All that a line prints that looks at the application. Raises HostError."""
    lines: list[str] = []
    await context.look(line, timeout=LOOK, lines=lines)
    return "\n".join(lines)
