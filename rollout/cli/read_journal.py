"""What is known of a service, for verbs that only look: they work without a journal, too."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from rollout.adapters.journal import SqliteJournal
from rollout.adapters.journal.shared import SharedJournal
from rollout.cli.earlier import earlier
from rollout.cli.journal import (
    catch_up,
    closing,
    is_left_behind,
    is_running,
    last_deployment,
    node_memories,
)
from rollout.cli.meeting import Meeting
from rollout.cli.process import holder
from rollout.cli.redaction import Redaction
from rollout.cli.wiring import OpenSite
from rollout.decisions.memory import LeftOut, nodes_out, nodes_to_mend
from rollout.decisions.progress import Progress
from rollout.domain import LockState
from rollout.errors import HostError, JournalError, LockLost, PlaceError
from rollout.ports import Journal


@dataclass(frozen=True, slots=True)
class Known:
    """The last deployment of a service, and the nodes that deployments left out, by name."""

    last: Progress | None = None
    out: Mapping[str, LeftOut] = field(default_factory=dict)
    to_mend: Mapping[str, LeftOut] = field(default_factory=dict)
    """These, and the nodes that were put back and fell."""
    lock: LockState | None = None
    """The lock, if somebody holds it."""
    error: str = ""
    """Why the journal could not be read, so that nothing is known; empty if it could."""
    old: str = ""
    """Why this is only what this machine knows; empty if it is what all deployers know."""

    @property
    def running(self) -> bool:
        """Whether the last deployment still runs."""
        return self.last is not None and is_running(self.last, self.lock)

    def warn(self) -> None:
        """Say on standard error what is not known, and why."""
        if self.error:
            sys.stderr.write(
                f"rollout: warning: {self.error}\n"
                "rollout: warning: what earlier deployments did, and which nodes are left out, is not known\n"
            )
        elif self.old:
            sys.stderr.write(
                f"rollout: warning: {self.old}\n"
                "rollout: warning: what others deployed since this machine looked last is not known\n"
            )


def warn_of_old(old: str, redaction: Redaction) -> None:
    """Say on standard error why this is only what this machine knows; nothing if `old` is empty."""
    if old:
        sys.stderr.write(f"rollout: warning: {redaction.printable(old)}\n")


async def read_journal(site: OpenSite, redaction: Redaction, *, last: bool = True) -> Known:
    """What is known of the service, with or without the last deployment. A journal or a place that cannot be
    read is no error."""
    service = site.inventory.service
    try:
        async with journal_to_read(site, redaction) as (journal, lock, old):
            deployment = await last_deployment(journal, service) if last else None
            memories = await node_memories(journal, service)
            out, to_mend = nodes_out(memories), nodes_to_mend(memories)
            return Known(deployment, out, to_mend, lock, old=redaction.printable(old))
    except (JournalError, PlaceError, HostError) as error:
        return Known(error=redaction.printable(str(error)))


async def journal_changes(site: OpenSite, pace: float) -> AsyncGenerator[bool, None]:
    """An item every `pace` seconds, and one as soon as the place tells of a change: whether the journal must
    be read again."""
    try:
        place = (await site.meeting()).place
    except (HostError, JournalError):  # each reading says why
        while True:
            await asyncio.sleep(pace)
            yield True
    async with contextlib.aclosing(place.changes(pace, facts=True)) as changes:
        async for changed in changes:
            yield changed


@contextlib.asynccontextmanager
async def journal_to_read(
    site: OpenSite, redaction: Redaction, latest: int | None = 1
) -> AsyncIterator[tuple[Journal, LockState | None, str]]:
    """The journal, also where it may not be written, for the summaries of the `latest` deployments, or of
    all; the lock; and why this is only what this machine knows, empty if it is what all know.

    Raises JournalError, HostError."""
    meeting = await site.meeting()
    service = site.inventory.service
    async with _copy(meeting, redaction) as local:
        if not meeting.shared:
            with contextlib.suppress(JournalError):  # where it cannot be written, whatever it knows is read
                await catch_up(local, service)
            yield local, await meeting.place.held(), ""
            return
        shared = SharedJournal(local, meeting.place, service, site.inventory.strategy.patience)
        try:
            seen = await shared.pull(latest)
        except PlaceError as error:
            yield local, None, str(error)
            return
        if seen.lock is None or is_left_behind(seen.lock):
            with contextlib.suppress(PlaceError, LockLost, JournalError):  # else the next one will
                await shared.catch_up(holder("share"), seen.lock.holder if seen.lock else None)
        if await local.summaries(service, latest=1):
            yield shared, seen.lock, ""
            return
        async with earlier(site.inventory, meeting, redaction) as one:
            if one is None:
                yield shared, seen.lock, ""
            else:
                why = f"{meeting.place.where} has no deployment of {service} yet, so {one.path} was read"
                yield one.journal, seen.lock, why


@contextlib.asynccontextmanager
async def _copy(meeting: Meeting, redaction: Redaction) -> AsyncIterator[SqliteJournal]:
    """The journal on this machine. Where it cannot be written, a journal is read all the same, and a copy of
    what lies elsewhere is made for the moment. Raises JournalError."""
    with contextlib.ExitStack() as stack:
        try:
            journal = await SqliteJournal.open(meeting.copy, masked=redaction.name)
        except JournalError as error:
            try:
                if meeting.shared:
                    folder = stack.enter_context(TemporaryDirectory(prefix="rollout-"))
                    journal = await SqliteJournal.open(Path(folder, "copy.db"), masked=redaction.name)
                else:
                    journal = await SqliteJournal.open(meeting.copy, masked=redaction.name, read_only=True)
            except (JournalError, OSError):
                raise error from None
        async with closing(journal):
            yield journal
