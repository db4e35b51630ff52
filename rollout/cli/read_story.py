"""The story of one deployment, for verbs that tell it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rollout.cli.command_line.verbs.history import MOST_LINES
from rollout.cli.earlier import printed_of
from rollout.cli.journal import is_running, node_memories, past_deployments
from rollout.cli.read_journal import journal_to_read, warn_of_old
from rollout.cli.redaction import Redaction
from rollout.cli.wiring import OpenSite, open_site
from rollout.decisions.fold import fold
from rollout.decisions.history import require_any, require_known, require_known_node
from rollout.decisions.memory import LeftOut, nodes_to_mend
from rollout.decisions.progress import Phase
from rollout.decisions.story import Story
from rollout.decisions.summary import Summary
from rollout.decisions.telling import tell
from rollout.domain import LockState
from rollout.errors import JournalError, Refused
from rollout.inventory import Inventory
from rollout.ports import Journal

_WAITED = (Phase.WAITING, Phase.SKIPPED)


@dataclass(frozen=True, slots=True)
class Told:
    """A story, and what is known besides."""

    story: Story
    later: tuple[Summary, ...]
    """The deployments after it, oldest first."""
    out: Mapping[str, LeftOut]
    """The nodes that do not serve, as far as deployments know."""
    running: bool
    elsewhere: bool
    """Whether what its commands printed is on another machine."""


@dataclass(frozen=True, slots=True)
class _Past:
    """The journal of a service, and the summaries of its deployments, of which there is at least one."""

    site: OpenSite
    redaction: Redaction
    journal: Journal
    lock: LockState | None
    deployments: dict[int, Summary]
    out: Mapping[str, LeftOut]


async def told_deployment(
    inventory: Inventory,
    redaction: Redaction,
    number: int | None = None,
    *,
    output_of: str = "",
) -> Told:
    """The story of deployment `number`, or of the last one; with all that the commands of the node
    `output_of` printed. Raises Refused, JournalError, HostError."""
    async with _past(inventory, redaction) as past:
        number = max(past.deployments) if number is None else number
        require_known(number, past.deployments, inventory.service)
        return await _told(past, number, output_of)


async def told_node(inventory: Inventory, redaction: Redaction, name: str, number: int | None = None) -> Told:
    """The story of the deployment that says most about a node: `number`, or the one that left it out, or the
    last one that touched it. Raises UsageError, Refused, JournalError, HostError."""
    async with _past(inventory, redaction) as past:
        if number is None:
            number = await _deployment_of(past, name, inventory)
        require_known(number, past.deployments, inventory.service)
        told = await _told(past, number)
    require_known_node(name, told.story.nodes, f"deployment {number} of {inventory.service}")
    return told


async def nodes_of(journal: Journal, summary: Summary) -> Mapping[str, str]:
    """The progress of each node of a deployment, in a word; also of one by an older rollout."""
    if summary.nodes:
        return summary.nodes
    progress = fold(await journal.records(summary.deployment))
    return {node.name: node.phase.value for node in progress.nodes.values()}


@asynccontextmanager
async def _past(inventory: Inventory, redaction: Redaction) -> AsyncIterator[_Past]:
    service = inventory.service
    async with open_site(inventory) as site, journal_to_read(site, redaction, None) as (journal, lock, old):
        warn_of_old(old, redaction)
        deployments = await past_deployments(journal, service)
        require_any(deployments, service)
        out = nodes_to_mend(await node_memories(journal, service))
        yield _Past(site, redaction, journal, lock, deployments, out)


async def _told(past: _Past, number: int, output_of: str = "") -> Told:
    records = await past.journal.records(number)
    latest = None if output_of else MOST_LINES
    site, summary = past.site, past.deployments[number]
    printed = await printed_of(
        summary, latest, output_of, past.journal, site.inventory, await site.meeting(), past.redaction
    )
    try:
        story = tell(records, printed)
    except ValueError as error:
        raise JournalError(f"the journal is damaged: deployment {number}: {error}") from error
    return Told(
        story,
        later=tuple(summary for other, summary in past.deployments.items() if other > number),
        out=past.out,
        running=is_running(story.progress, past.lock),
        elsewhere=not printed and story.plan.host != socket.gethostname(),
    )


async def _deployment_of(past: _Past, name: str, inventory: Inventory) -> int:
    if name in past.out:
        return past.out[name].deployment
    mentioned: int | None = None
    known = set(inventory.nodes)
    for number, summary in reversed(past.deployments.items()):
        nodes = await nodes_of(past.journal, summary)
        known.update(nodes)
        if nodes.get(name, Phase.WAITING) not in _WAITED:
            return number
        if name in nodes and mentioned is None:
            mentioned = number
    require_known_node(name, known, inventory.service)
    if mentioned is None:
        raise Refused(
            f"no deployment of {inventory.service} that the journal has knows {name}",
            hint="`rollout status` shows how it is now",
        )
    return mentioned
