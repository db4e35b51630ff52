"""A session: everything that a verb needs open to change nodes, and how it carries out a deployment."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

from rollout.cli.arguments import limit, load_inventory
from rollout.cli.choose_view import event_view
from rollout.cli.ci_job import job_address
from rollout.cli.deploy_lock import RemoteControl
from rollout.cli.forge_reporter import ForgeReporter
from rollout.cli.held import held
from rollout.cli.journal import last_deployment, node_memories, prune
from rollout.cli.output import unblocked_output
from rollout.cli.recorder import JournalRecorder
from rollout.cli.redaction import Redaction
from rollout.cli.reports import Reports, open_reports
from rollout.cli.run_deployment import run_deployment
from rollout.cli.tell_error import teller
from rollout.cli.wiring import OpenSite, open_site
from rollout.decisions.durations import Durations
from rollout.decisions.history import put_back, require_deployed
from rollout.decisions.memory import NodeMemory, nodes_to_mend
from rollout.decisions.plan import Plan, select
from rollout.decisions.progress import Progress
from rollout.domain import Step
from rollout.engine.checks.health_pages import Pages, look_at_pages
from rollout.engine.checks.preflight import make_plan, require_safe
from rollout.engine.claim import Say, claim_all
from rollout.engine.site import Survey
from rollout.engine.waiting import run_both
from rollout.events import Event, Record
from rollout.inventory import Inventory
from rollout.ports import Journal
from rollout.views.forges import Forge, forge_of


@dataclass(frozen=True)
class Session:
    """The open site, journal and lock of one verb, until the verb ends."""

    arguments: argparse.Namespace
    inventory: Inventory
    selected: tuple[str, ...]
    """The nodes that `--limit` names; all without it."""
    site: OpenSite
    journal: Journal
    control: RemoteControl
    reports: Reports
    forge: Forge | None
    """Who lists the deployments, if somebody does."""

    @property
    def redaction(self) -> Redaction:
        redaction: Redaction = self.arguments.redaction
        return redaction

    async def memories(self) -> dict[str, NodeMemory]:
        """What is remembered of the service's nodes, by name. Raises JournalError."""
        return await node_memories(self.journal, self.inventory.service)

    async def was_deployed(self) -> bool:
        """Whether any deployment of the service is known. Raises JournalError."""
        return bool(await self.journal.summaries(self.inventory.service, latest=1))

    async def last(self) -> Progress:
        """The last deployment of the service. Raises Refused if there was none, JournalError."""
        service = self.inventory.service
        return require_deployed(await last_deployment(self.journal, service), service)

    async def durations(self) -> Durations | None:
        """What the last deployment took; `None` if the order of nodes does not follow from it. Raises
        JournalError."""
        if self.inventory.strategy.order == "inventory":
            return None
        return Durations.of(await last_deployment(self.journal, self.inventory.service))

    @property
    def say(self) -> Say:
        """Tells people what is waited for before anything is touched."""
        return teller(self.redaction)

    async def plan(
        self,
        nodes: Sequence[str],
        release: str | None,
        *,
        include_out_of_rotation: bool,
        done: int = 0,
        in_waves: bool = True,
        durations: Durations | None = None,
    ) -> tuple[Plan, Survey, Pages]:
        """The plan for `nodes`, which are claimed, and what it is made from: the survey and the health pages.

        What earlier runs left on the nodes has come to its end, and everything was read afterwards. Raises
        LoadBalancerError, JournalError, Refused.
        """
        out = nodes_to_mend(await self.memories())
        ours = {name: left.as_progress(name) for name, left in out.items()}
        claimed: set[str] = set()
        while True:
            (plan, seen), pages = await run_both(
                make_plan(
                    self.site,
                    nodes,
                    release,
                    ours=ours,
                    include_out_of_rotation=include_out_of_rotation,
                    allow_outage=self.arguments.allow_outage,
                    done=done,
                    in_waves=in_waves,
                    durations=durations,
                ),
                look_at_pages(self.site, nodes, releasing=release is not None, release=release),
            )
            unclaimed = [self.site.claims[name] for name in plan.nodes if name not in claimed]
            claimed.update(plan.nodes)
            if not await claim_all(unclaimed, self.say):
                return plan, seen, pages

    async def require_safe(self, plan: Plan, seen: Survey, pages: Pages) -> Plan:
        """Preflight. Returns the plan with its warnings; raises Refused, with all reasons."""
        return await require_safe(
            self.site,
            plan,
            seen,
            allow_outage=self.arguments.allow_outage,
            # What a rollback takes back may be why the pages fail.
            allow_unhealthy=plan.back or self.arguments.allow_unhealthy,
            pages=pages,
        )

    async def deploy(
        self,
        plan: Plan,
        first_events: Iterable[Event],
        *,
        previous: Mapping[str, str],
        settled: Mapping[str, Collection[Step]] | None = None,
        resumed: Progress | None = None,
    ) -> tuple[int, Progress]:
        """Carry out the plan as a new or `resumed` deployment, from its first events to its end; return the
        exit code, and how it ended. Raises JournalError before anything is touched.

        `previous` are the releases that nodes run now, `settled` the steps that nodes of a `resumed`
        deployment need not repeat.
        """
        with (
            event_view(self.arguments.output, self.arguments.amount, self.inventory.path, resumed) as view,
            self.reports.following(resumed) as report,
        ):

            def show(record: Record) -> None:
                view(record)
                report(record)

            first, service = tuple(first_events), self.inventory.service
            record = (
                await JournalRecorder.begin(self.journal, service, first, self.redaction, show)
                if resumed is None
                else await JournalRecorder.resume(self.journal, resumed, first, self.redaction, show)
            )
            if self.forge is not None and not plan.back:
                ForgeReporter(self.forge, record, self.site.outbox, self.say)
            code = await run_deployment(
                self.site,
                plan,
                record,
                previous=previous,
                settled=settled or {},
                put_back={} if resumed is None else put_back(resumed, plan.placement),
                allow_outage=self.arguments.allow_outage,
                control=self.control,
            )
            return code, record.progress


@asynccontextmanager
async def open_session(
    arguments: argparse.Namespace, purpose: str, *, connect: bool = False
) -> AsyncIterator[Session]:
    """Load the inventory, open the journal and the site, and take the service's lock; all close at the end.

    `purpose` is shown to others who ask about the lock. `connect` opens the SSH connections to the selected
    nodes in the background, while the lock is taken. Raises UsageError, JournalError, PlaceError, HostError,
    and Refused if somebody else has the lock."""
    inventory = load_inventory(arguments)
    nodes = select(inventory, limit(arguments))
    control = RemoteControl()
    reports = open_reports(arguments)
    forge = _forge(arguments)
    with unblocked_output():
        async with (
            open_site(inventory) as site,
            site.connecting(nodes) if connect else nullcontext(),
            held(site, arguments.redaction, purpose, arguments.wait, control) as journal,
        ):
            yield Session(arguments, inventory, nodes, site, journal, control, reports, forge)
            await prune(journal, inventory.service, inventory.kept)


def _forge(arguments: argparse.Namespace) -> Forge | None:
    """Who lists the deployment, if `--environment` asks for it and somebody does."""
    if getattr(arguments, "environment", None) is None:
        return None
    match forge_of(os.environ, arguments.environment, job_address(os.environ)):
        case str(why):
            teller(arguments.redaction)(f"warning: {why}")
            return None
        case forge:
            return forge
