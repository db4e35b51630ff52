"""What this machine knows of a service from before its deployers met where they meet now.

An older rollout kept a journal for each login, by the names of services alone, and the inventory may have
named another place. As long as nothing lies at the place, that is the service's history.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rollout.adapters.journal import SqliteJournal, journal_path
from rollout.adapters.journal.shared import SharedJournal
from rollout.cli.journal import catch_up, closing, last_deployment, node_memories, past_deployments
from rollout.cli.meeting import Meeting
from rollout.cli.redaction import Redaction
from rollout.decisions.fold import fold
from rollout.decisions.memory import memory_document, remember
from rollout.decisions.progress import Progress
from rollout.decisions.summary import Summary, summary_document
from rollout.errors import JournalError
from rollout.events import Record
from rollout.inventory import Inventory
from rollout.ports import Journal


@dataclass(frozen=True, slots=True)
class Earlier:
    """A journal of this machine that has deployments of the service."""

    path: Path
    journal: SqliteJournal
    last: Progress
    """The last deployment of the service there."""
    copied: bool
    """Whether it is the copy of a place; the services there are told apart by their load balancers, too."""


@asynccontextmanager
async def earlier(
    inventory: Inventory, meeting: Meeting, redaction: Redaction
) -> AsyncIterator[Earlier | None]:
    """The service's journal from before, used last; `None` if there is none. Raises JournalError."""
    async with aclosing(_journals(inventory.service, meeting, redaction)) as journals:
        async for one in journals:
            if one.copied or _is_of(one.last, inventory):
                yield one
                return
    yield None


async def bring(one: Earlier, inventory: Inventory, journal: SharedJournal) -> int:
    """Take over an earlier journal's deployments; return how many. Raises JournalError.

    No holder of the lock has the epoch 0, so none of them counts as running.
    """
    service = inventory.service
    records, summaries = {}, {}
    memories = await node_memories(one.journal, service) if one.copied else {}
    for number in [*await one.journal.summaries(service)][-inventory.kept :]:
        facts = [dataclasses.replace(record, epoch=0) for record in await one.journal.records(number)]
        if not facts:  # a copy has only those facts of others that somebody asked for
            continue
        progress = fold(facts)
        if one.copied or _is_of(progress, inventory):
            records[number], summaries[number] = facts, summary_document(progress)
            memories |= {} if one.copied else remember(memories, progress, progress.nodes)
    nodes = {name: memory_document(memory) for name, memory in memories.items()}
    await journal.bring(records, summaries, nodes)
    return len(records)


async def printed_of(
    deployment: Summary,
    latest: int | None,
    node: str,
    journal: Journal,
    inventory: Inventory,
    meeting: Meeting,
    redaction: Redaction,
) -> Sequence[Record]:
    """What the commands of a deployment printed, as `Journal.printed` says; also where this machine carried
    it out before its history came to where it lies now. Raises JournalError."""
    number = deployment.deployment
    if printed := await journal.printed(number, latest, node):
        return printed
    async with aclosing(_journals(inventory.service, meeting, redaction)) as journals:
        async for one in journals:
            same = (await past_deployments(one.journal, inventory.service)).get(number)
            if same is not None and same.started == deployment.started:
                return await one.journal.printed(number, latest, node)
    return ()


async def why_anew(inventory: Inventory, meeting: Meeting, redaction: Redaction) -> str:
    """What to say if this machine has deployed a service of this name that is not this one; empty if it has
    not."""
    async with aclosing(_journals(inventory.service, meeting, redaction, others=True)) as journals:
        async for one in journals:
            if _is_same_file(one.last, inventory):
                return (
                    f"{inventory.service} has other load balancers than at deployment {one.last.deployment} "
                    f"from {one.last.inventory}, so it counts as another service: its history begins anew"
                )
            if not one.copied:
                return (
                    f"{inventory.service} was deployed from {one.last.inventory} before, which is another "
                    f"inventory: its history in {one.path} is not taken along"
                )
    return ""


async def _journals(
    service: str, meeting: Meeting, redaction: Redaction, *, others: bool = False
) -> AsyncGenerator[Earlier, None]:
    """The journals that have deployments of the service, or with `others`, of one that has its name; copies
    first. What cannot be read is none."""
    own = journal_path()
    for path in (*(meeting.namesakes if others else meeting.other_copies), *([own] if own.exists() else [])):
        with suppress(JournalError):
            journal = await SqliteJournal.open(path, masked=redaction.name)
            async with closing(journal):
                await catch_up(journal, service)
                last = await last_deployment(journal, service)
                if last is not None:
                    yield Earlier(path, journal, last, copied=path != own)


def _is_of(deployment: Progress, inventory: Inventory) -> bool:
    """Whether a deployment that an older rollout kept was one of this inventory."""
    return _is_same_file(deployment, inventory) and {*deployment.load_balancers} == {
        *inventory.load_balancers
    }


def _is_same_file(deployment: Progress, inventory: Inventory) -> bool:
    return Path(deployment.inventory).resolve() == inventory.path.resolve()
