"""The restarts of a node, one after another: the next one begins when the one before is proved and lives.

Once the first has begun, none of them can refuse the release any more: something may run it already. So the
checks of all others are run before, with the release on the disk.
"""

from __future__ import annotations

from collections.abc import Sequence

from rollout.engine.context import NodeContext
from rollout.engine.log import StepLog
from rollout.engine.steps.life import Life, bring_to_life, look_again, still_lives
from rollout.engine.steps.restart import explanation
from rollout.errors import NotRunning, ReleaseRefused, RolloutError, StepFailure
from rollout.restart.driver import RestartPlan


async def restart_all(
    context: NodeContext, plans: Sequence[RestartPlan], log: StepLog, *, is_broken: bool
) -> Life:
    """Carry out all restarts; the life of what the last one has started.

    `is_broken` says that nobody knows in which state the application is. Raises StepFailure, which says which
    restart failed, and how far the others are; ReleaseRefused if none was carried out, HostError.
    """
    for plan in plans[1:]:
        await _require_willing(context, plan, log, is_broken=is_broken)
    life = Life()
    done: list[str] = []
    for plan in plans:
        log.detail = ""
        try:
            life = await bring_to_life(context, plan, log, is_broken=is_broken)
            if plan is not plans[-1]:
                await still_lives(context, plan, life, log)
        except RolloutError as error:
            raise _which_failed(error, plan, done, log) from error
        done.append(f"{plan.part} is done{f': {log.detail}' if log.detail else ''}")
        if plan.part:
            log.progress(done[-1])
    if len(plans) > 1:
        log.detail = "; ".join(done)
    return life


async def explain_all(context: NodeContext, plans: Sequence[RestartPlan]) -> tuple[str, ...]:
    """The last lines that the applications of all restarts printed, each below its restart's name."""
    lines: list[str] = []
    for plan in plans:
        tail = await explanation(context, plan)
        lines += [f"{plan.part}:"] if plan.part and tail else []
        lines += tail
    return tuple(lines)


async def _require_willing(context: NodeContext, plan: RestartPlan, log: StepLog, *, is_broken: bool) -> None:
    """Raises ReleaseRefused if a restart that is yet to come could not be carried out with the release that
    is on the disk now. What does not run is started in its turn."""
    if plan.precheck is None:
        return
    try:
        await look_again(context, plan.precheck, log, is_broken=is_broken)
    except NotRunning:
        pass
    except ReleaseRefused as refused:
        raise ReleaseRefused(f"{plan.part}: {refused}", tail=refused.tail) from None


def _which_failed(error: RolloutError, plan: RestartPlan, done: Sequence[str], log: StepLog) -> RolloutError:
    """The error to raise in place of that of one restart: once another one is done, the release runs."""
    if not plan.part:
        return error
    so_far = "; ".join(done)
    if not isinstance(error, StepFailure):
        log.warn(f"{plan.part} was cut short{f'; {so_far}' if done else ''}: {error}")
        return error
    failure = StepFailure if done else type(error)
    state = f"; {so_far}" if done else ""
    return failure(f"{plan.part} failed: {error}{state}", hint=error.hint, tail=error.tail)
