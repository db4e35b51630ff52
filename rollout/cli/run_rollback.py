"""Putting back what the nodes of a deployment ran before it: a deployment of its own, by the same steps."""

from __future__ import annotations

import argparse
import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rollout.cli.choose_view import event_view
from rollout.cli.deploy_lock import RemoteControl
from rollout.cli.first_events import begun
from rollout.cli.journal import JournalRecorder, left_out
from rollout.cli.redaction import is_masked
from rollout.cli.run_deployment import carry_out
from rollout.cli.tell_error import tell
from rollout.cli.wiring import OpenSite
from rollout.decisions.fold import fold
from rollout.decisions.plan import Plan
from rollout.decisions.progress import Progress
from rollout.engine.checks.preflight import make_plan, require_safe
from rollout.errors import Refused, RolloutError
from rollout.events import Warned
from rollout.inventory import Inventory
from rollout.ports import Journal


async def roll_back(
    site: OpenSite,
    journal: Journal,
    last: Progress,
    nodes: Sequence[str],
    arguments: argparse.Namespace,
    control: RemoteControl,
    *,
    to: str | None = None,
) -> int:
    """Roll `nodes`, which `last` touched, back to `to`, or to what each of them ran before; the exit code.

    A rollback that fails is not rolled back. Raises Refused if the old release of one is not known,
    LoadBalancerError.
    """
    inventory = site.inventory
    releases = {name: to or last.nodes[name].previous_release for name in nodes}
    if unknown := [name for name, release in releases.items() if release is None or is_masked(release)]:
        raise Refused(
            f"what {', '.join(unknown)} ran before deployment {last.deployment} is not known",
            hint="rollout rollback --to RELEASE",
        )
    common, _ = Counter(releases.values()).most_common(1)[0]
    # A node that others took out was touched all the same: it is rolled back, and left as it is found.
    ours = left_out(journal, inventory.service)
    plan, seen = await make_plan(site, nodes, common, ours=ours, include_out_of_rotation=True, in_waves=False)
    others = {name: release for name, release in releases.items() if release and release != common}
    plan = dataclasses.replace(plan, releases=others, back=True)
    await require_safe(site, plan, seen, allow_outage=arguments.allow_outage)
    now = {name: release for name in plan.nodes if (release := last.release_of(name))}
    number = journal.begin(inventory.service)
    with event_view(arguments.output) as show:
        record = JournalRecorder(journal, number, arguments.redaction, show)
        for event in begun(inventory, plan, seen, now, rollback_of=last.deployment):
            record(event)
        return await carry_out(
            site,
            plan,
            number,
            record,
            previous=now,
            settled={},
            allow_outage=arguments.allow_outage,
            control=control,
        )


async def roll_back_if_failed(
    site: OpenSite, journal: Journal, number: int, arguments: argparse.Namespace, control: RemoteControl
) -> None:
    """What `on_failure: rollback` asks for, where deployment `number` gave up with nodes touched."""
    failed = fold(journal.records(number))
    if not failed.to_be_rolled_back:
        return
    try:
        await roll_back(site, journal, failed, failed.touched, arguments, control)
    except RolloutError as error:
        tell(Refused(f"the rollback did not begin: {error}", hint=error.hint), arguments.redaction)


def without_way_back(plan: Plan, inventory: Inventory, previous: Mapping[str, str]) -> Iterator[Warned]:
    """What should be known beforehand of a rollback that may be wanted."""
    if inventory.strategy.on_failure != "rollback" or plan.release is None:
        return
    for name in plan.nodes:
        if name not in previous:
            yield Warned("what it runs is not known, so that it could not be rolled back", node=name)
