"""The life of what a restart has started: it must last, beside the health page that is asked meanwhile.

An application that does not run is not restarted but started, if the inventory or the driver says how.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from rollout.agents.common import talk
from rollout.deadline import Deadline
from rollout.engine.context import NodeContext
from rollout.engine.health_page import ask
from rollout.engine.log import StepLog
from rollout.engine.steps.restart import LOOK, LOOK_AGAIN, explanation, observed, restart
from rollout.errors import HostError, NotRunning, ReleaseRefused, RequestFailed, StepFailure
from rollout.inventory.quantities import format_duration
from rollout.restart import driver
from rollout.restart.driver import Proof, ProofStatus, RestartPlan

_LOOK_AT_LIFE = 0.5
"""Seconds between two looks at whether the application still lives."""


@dataclass(frozen=True, slots=True)
class Life:
    """The life of an application that a restart has started, or found not running."""

    proved: str | None = None
    """What the line of the driver's proof printed when the restart was proved, if it has one."""
    started: bool = False
    """Whether it did not run, and was started."""
    awaited: str = ""
    """Why nobody started it here although it does not run; empty if it runs."""


async def bring_to_life(
    context: NodeContext, plan: RestartPlan, log: StepLog, *, is_broken: bool = False
) -> Life:
    """Restart the application, or start it where it does not run.

    Where nothing here can start it, somebody else may: its health page is waited for. `is_broken` says that
    nobody knows in which state the application is. Raises StepFailure, also where nothing would show that it
    runs; ReleaseRefused, HostError.
    """
    try:
        if plan.looks_again and plan.precheck is not None:
            await look_again(context, plan.precheck, log, is_broken=is_broken)
        return Life(await restart(context, plan, log))
    except NotRunning as stopped:
        if plan.ask is not None and not plan.part:  # of several, another may have the page
            await _require_silence(context, stopped)
        if plan.start is not None:
            log.progress(f"{stopped}: starting it")
            try:
                await _start(context, plan, plan.start, log)
            except StepFailure as failure:
                if plan.start != plan.command:
                    raise
                stopped = NotRunning(f"{stopped}; {failure}", tail=failure.tail)
            else:
                return await _new_life(context, plan, log, "it did not run, and was started")
        if plan.part:
            return await _await_one(context, plan, stopped, log)
        return _await(context, stopped, log)


async def still_lives(context: NodeContext, plan: RestartPlan, life: Life, log: StepLog) -> None:
    """Wait until what was started has lived for `driver.STEADY` seconds.

    Raises StepFailure with the last lines that the application printed if it ended, HostError.
    """
    if plan.proof is not None and life.proved is not None:
        await _lasts(context, plan, plan.proof, life.proved, log)
    elif life.started and plan.precheck is not None:
        await asyncio.sleep(driver.STEADY)
        if reason := await _not_running(context, plan.precheck):
            raise StepFailure(f"it was started, and ended within {driver.STEADY:g} s: {reason}")


def what_starts_it(context: NodeContext) -> str:
    """What to do about an application that does not run where nothing here starts it."""
    return f"start it on {context.name}, or set restart.start, and then run `rollout resume`"


async def look_again(context: NodeContext, precheck: str, log: StepLog, *, is_broken: bool) -> None:
    """Run the driver's own check with the release on the disk: it may be what tries the release.

    Raises NotRunning, and ReleaseRefused for any other failure; but what does not work may be repaired by the
    restart.
    """
    looked = await context.look(precheck, timeout=LOOK)
    reason = looked.tail[-1] if looked.tail else f"exit status {looked.status}"
    if looked.status == talk.NotRunning.exit_status:
        raise NotRunning(reason, tail=looked.tail)
    if looked.status == 0:
        return
    if is_broken or await _answer(context) == "":
        log.warn(f"the check before the restart failed ({reason}); it is restarted all the same")
        return
    raise ReleaseRefused(
        f"the check before the restart failed, so nothing was restarted: {reason}", tail=looked.tail
    )


async def _answer(context: NodeContext) -> str | None:
    """The health page that answers, whatever it says; empty if none does, `None` if there is none to ask."""
    health = context.inventory.health
    if health is None:
        return None
    with contextlib.suppress(RequestFailed):
        await ask(context, health)
        return context.fill(health.http)
    return ""


async def _require_silence(context: NodeContext, refused: NotRunning) -> None:
    """Raises StepFailure if the application answers, although nobody listens to the request that restarts
    it."""
    if page := await _answer(context):
        raise StepFailure(
            f"{refused}, although the application answers at {page}",
            hint="correct `restart.http` in the inventory",
        )


async def _start(context: NodeContext, plan: RestartPlan, line: str, log: StepLog) -> None:
    """Run the line that starts the application, and wait until the driver's own check finds it running."""
    deadline = Deadline(plan.timeout)
    await context.run(line, timeout=plan.timeout, log=log)
    while plan.precheck is not None and (reason := await _not_running(context, plan.precheck)):
        log.progress(reason)
        if deadline.passed:
            late = f"`{line}` has not started it within {plan.timeout:g} s: {reason}"
            raise StepFailure(late, tail=await explanation(context, plan))
        await asyncio.sleep(LOOK_AGAIN)


def _await(context: NodeContext, stopped: NotRunning, log: StepLog) -> Life:
    inventory = context.inventory
    if inventory.health is None and not inventory.load_balancers:
        raise StepFailure(
            f"{inventory.service} does not run: {stopped}", hint=what_starts_it(context), tail=stopped.tail
        )
    waited = ""
    if inventory.health is not None:
        waited = f": its health page is waited for, {format_duration(inventory.health.timeout)} at most"
    log.warn(
        f"{inventory.service} does not run ({stopped}), and nothing here starts it{waited}; "
        f"start it on {context.name}, or set restart.start"
    )
    log.detail = "it does not run, and nothing here starts it"
    return Life(awaited=str(stopped))


async def _await_one(context: NodeContext, plan: RestartPlan, stopped: NotRunning, log: StepLog) -> Life:
    """Wait until somebody has started what one of several restarts is about: the health page may be that of
    another."""
    deadline = Deadline(plan.timeout if plan.precheck is not None else 0.0)
    reason = str(stopped)
    log.warn(f"{plan.part}: it does not run ({reason}), and nothing here starts it")
    while plan.precheck is None or (reason := await _not_running(context, plan.precheck)):
        if deadline.passed:
            hint = f"start it on {context.name}, or set `start` beside it, and then run `rollout resume`"
            raise StepFailure(f"it does not run: {reason or stopped}", hint=hint, tail=stopped.tail)
        log.progress(f"waiting until it runs: {reason}")
        await asyncio.sleep(LOOK_AGAIN)
    return await _new_life(context, plan, log, "it did not run, and somebody has started it")


async def _new_life(context: NodeContext, plan: RestartPlan, log: StepLog, how: str) -> Life:
    """The life of what did not run, and runs now. Raises HostError."""
    proved = None if plan.proof is None else await observed(context, plan.proof.observe)
    log.detail = how
    return Life(proved, started=True)


async def _not_running(context: NodeContext, precheck: str) -> str:
    """Why the application does not run, by the driver's own check; empty if it does, whatever else is
    wrong."""
    looked = await context.look(precheck, timeout=LOOK)
    if looked.status != talk.NotRunning.exit_status:
        return ""
    return looked.tail[-1] if looked.tail else "it does not run"


async def _lasts(context: NodeContext, plan: RestartPlan, proof: Proof, proved: str, log: StepLog) -> None:
    steady, end = Deadline(driver.STEADY), Deadline(max(plan.timeout, driver.STEADY))
    while True:
        long_enough = steady.passed
        try:
            seen = await observed(context, proof.observe)
            result = proof.compare_life(proved, seen)
        except HostError as error:
            if end.passed:
                raise
            log.progress(str(error))
        else:
            if result.status is ProofStatus.DONE and long_enough:
                return
            if result.status is ProofStatus.FAILED or end.passed:
                raise StepFailure(result.detail, tail=await explanation(context, plan))
            if result.anew:
                log.progress(result.detail)
                proved, steady = seen, Deadline(driver.STEADY)
        await asyncio.sleep(_LOOK_AT_LIFE if steady.passed else min(_LOOK_AT_LIFE, max(steady.left, 0.0)))
