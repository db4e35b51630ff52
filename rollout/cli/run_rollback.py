"""A rollback: a deployment that gives nodes back the releases that they ran before another deployment."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rollout.cli.first_events import deployment_started
from rollout.cli.session import Session
from rollout.cli.tell_error import tell
from rollout.decisions import history
from rollout.decisions.history import rollback_releases
from rollout.decisions.plan import Plan
from rollout.decisions.progress import Progress
from rollout.engine.checks.health_pages import look_at_pages, reported_releases
from rollout.errors import Refused, RolloutError
from rollout.events import Warned
from rollout.inventory import Inventory


async def require_running(
    session: Session, last: Progress, nodes: Sequence[str], *, to: str | None = None
) -> None:
    """Ask the nodes' pages what they run. Raises Refused if that is not what `last` put on them."""
    pages = await look_at_pages(session.site, nodes, releasing=False)
    history.require_running(last, nodes, reported_releases(pages), to)


async def run_rollback(
    session: Session, last: Progress | None, nodes: Sequence[str], *, to: str | None = None
) -> int:
    """Roll `nodes`, which `last` touched, back to `to`, or to what each of them ran before; return the exit
    code. Without `last`, where no deployment is known, `to` must be given.

    A rollback that fails is not rolled back itself. Raises LoadBalancerError, and Refused where a rollback is
    not safe or an old release is not known.
    """
    releases = rollback_releases(last, nodes, to) if last else {name: str(to) for name in nodes}
    common, _ = Counter(releases.values()).most_common(1)[0]
    # A node that others took out was touched too: it is rolled back, and stays as they set it.
    plan, seen, pages = await session.plan(nodes, common, include_out_of_rotation=True, in_waves=False)
    others = {name: release for name, release in releases.items() if release != common}
    plan = dataclasses.replace(plan, releases=others, back=True)
    plan = await session.require_safe(plan, seen, pages)
    now = {name: release for name in plan.nodes if last and (release := last.release_of(name))}
    number = last.deployment if last else 0
    first = deployment_started(session.inventory, plan, seen, now, rollback_of=number)
    code, _ = await session.deploy(plan, first, previous=now)
    return code


async def roll_back_if_failed(session: Session, ended: Progress) -> None:
    """The rollback that `on_failure: rollback` asks for, if the deployment failed with nodes touched.

    A rollback that is refused is reported on standard error: the failed deployment decides the exit code.
    """
    if not ended.to_be_rolled_back:
        return
    try:
        await run_rollback(session, ended, ended.touched)
    except RolloutError as error:
        tell(Refused(f"the rollback did not begin: {error}", hint=error.hint), session.redaction)


def no_way_back(plan: Plan, inventory: Inventory, previous: Mapping[str, str]) -> Iterator[Warned]:
    """A warning for each node that `on_failure: rollback` could not roll back."""
    if inventory.strategy.on_failure != "rollback" or plan.release is None:
        return
    for name in plan.nodes:
        if name not in previous:
            yield Warned("its current release is unknown, so it could not be rolled back", node=name)
