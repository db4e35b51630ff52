"""A release that was refused: the one before is put back on the disk at once, lest a worker load it later."""

from __future__ import annotations

import dataclasses

from rollout.engine.context import NodeContext
from rollout.engine.log import StepLog
from rollout.engine.steps.release import release_plan
from rollout.errors import RolloutError
from rollout.masks import is_masked


async def put_back(context: NodeContext, log: StepLog, *, switched: bool) -> tuple[bool, str]:
    """Put the release back that the node had before. `switched` says that this roll has changed a link.

    Returns whether the disk is as it was before, and that in words. A release command is run as a rollback
    would run it, with the release before.
    """
    release, previous = context.release, context.environment.get("ROLLOUT_PREVIOUS_RELEASE")
    plan = release_plan(context)
    if plan is None or release is None or release == previous:
        return True, "nothing was changed"
    try:
        if previous and not is_masked(previous):
            await _release_again(context, release, previous, log)
            return True, f"release {previous} is on the disk again"
        if plan.undo is not None and switched:
            printed: list[str] = []
            shown = f"{plan.shown.partition(' → ')[0]} → as it was"
            await context.run(plan.undo, timeout=plan.timeout, log=log, shown=shown, printed=printed)
            return True, printed[-1] if printed else "the disk is as it was"
        reason = "rollout does not know which release was there before"
    except RolloutError as error:
        reason = f"the release before could not be put back: {error}"
    return False, f"{release} stays on the disk, since {reason}; whatever is started from now on loads it"


def what_to_do(context: NodeContext) -> str:
    """What to do about a refused release that stays on the disk."""
    previous = context.environment.get("ROLLOUT_PREVIOUS_RELEASE")
    if previous and not is_masked(previous):
        return "run `rollout rollback`, or deploy a release that works, before a worker is recycled"
    return "run `rollout deploy --release RELEASE` with a release that works, before a worker is recycled"


async def _release_again(context: NodeContext, refused: str, previous: str, log: StepLog) -> None:
    own = {"ROLLOUT_RELEASE": previous, "ROLLOUT_PREVIOUS_RELEASE": refused}
    before = dataclasses.replace(context, release=previous, environment={**context.environment, **own})
    plan = release_plan(before)
    assert plan is not None  # noqa: S101 - it is the inventory's, and there is one of the refused release
    await before.run(plan.command, timeout=plan.timeout, log=log, shown=plan.shown)
