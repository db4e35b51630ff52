"""Carrying out a restart driver's commands, and waiting for its proof."""

from __future__ import annotations

import asyncio

from rollout.engine.context import NodeContext
from rollout.engine.log import StepLog
from rollout.errors import AnswerLost, CommandTimedOut, StepFailure
from rollout.restart.driver import ProofStatus, RestartPlan

_LOOK = 30.0
"""Seconds for one look at the state of the application."""
_LOOK_AGAIN = 0.1


async def restart(context: NodeContext, plan: RestartPlan, log: StepLog) -> None:
    """Restart the application and see that it was. Raises StepFailure with what the application printed."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + plan.timeout
    proof = plan.proof
    if proof is None:
        await _carry_out(context, plan, log)
        return
    seen = await context.look(proof.observe, timeout=_LOOK)
    if seen.status != 0:
        # Without it, whatever runs later would look new, although the restart is yet to come.
        raise StepFailure(f"`{proof.observe}` exited with {seen.status} before the restart", tail=seen.tail)
    before = "\n".join(seen.tail)
    try:
        await _carry_out(context, plan, log)
    except StepFailure as failure:
        tail = await explanation(context, plan)
        raise StepFailure(str(failure), hint=failure.hint, tail=tail) from None
    except (AnswerLost, CommandTimedOut) as error:
        # Whether it worked is not known, so it is observed.
        log.progress(str(error))
    while True:
        judgement = proof.judge(before, await _output(context, proof.observe))
        if judgement.verdict is ProofStatus.DONE:
            log.detail = judgement.detail
            return
        log.progress(judgement.detail)
        if judgement.verdict is ProofStatus.FAILED or clock() >= deadline:
            late = "" if judgement.verdict is ProofStatus.FAILED else f" within {plan.timeout:g} s"
            tail = await explanation(context, plan)
            raise StepFailure(f"not restarted{late}: {judgement.detail}", tail=tail)
        await asyncio.sleep(_LOOK_AGAIN)


async def explanation(context: NodeContext, plan: RestartPlan) -> tuple[str, ...]:
    """What the application itself printed last, where the driver knows where to look; oldest first."""
    if plan.proof is None:
        return ()
    return (await context.look(plan.proof.explain, timeout=_LOOK)).tail


async def _carry_out(context: NodeContext, plan: RestartPlan, log: StepLog) -> None:
    timeout = plan.timeout
    if plan.ask is not None:
        await context.request(plan.ask.method, plan.ask.url, timeout=timeout, log=log)
    if plan.command is not None:
        await context.run(plan.command, timeout=timeout, log=log, shown=plan.shown)


async def _output(context: NodeContext, line: str) -> str:
    return "\n".join((await context.look(line, timeout=_LOOK)).tail)
