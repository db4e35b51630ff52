"""A service held by a verb that changes it: the lock is taken, and the journal is open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rollout.adapters.journal import SqliteJournal
from rollout.adapters.journal.shared import SharedJournal
from rollout.cli.deploy_lock import RemoteControl
from rollout.cli.earlier import bring, earlier, why_anew
from rollout.cli.journal import catch_up, closing
from rollout.cli.meeting import Meeting
from rollout.cli.process import has_ended, holder
from rollout.cli.redaction import Redaction
from rollout.cli.tell_error import teller
from rollout.cli.wiring import OpenSite
from rollout.engine.hold import Hold
from rollout.inventory import Inventory
from rollout.ports import Journal
from rollout.views.text import count


@asynccontextmanager
async def held(
    site: OpenSite, redaction: Redaction, purpose: str, wait: float, control: RemoteControl
) -> AsyncIterator[Journal]:
    """The service's journal, while its lock is held; whoever has it is waited for, up to `wait` seconds.

    `purpose` is shown to others. Nothing is touched once the lock is lost. Raises Refused if somebody else
    has the lock, PlaceError, HostError, JournalError.
    """
    meeting = await site.meeting()
    service, patience = site.inventory.service, site.inventory.strategy.patience
    local = await SqliteJournal.open(meeting.copy, masked=redaction.name)
    async with closing(local):
        me = holder(redaction.text(purpose))
        hold = Hold(meeting.place, me, patience=patience, halt=control, promote=control.promote)
        async with hold.taken(wait=wait, above=await local.last_epoch(), is_dead=has_ended):
            site.permission.confirm = hold.require
            try:
                if meeting.shared:
                    journal = SharedJournal(local, meeting.place, service, patience)
                    await journal.pull()
                    if not await journal.summaries(service, latest=1):
                        await _begin_history(site.inventory, meeting, journal, redaction)
                    await journal.hold(me, hold.epoch)
                    try:
                        yield journal
                    finally:
                        if untold := await journal.finish():
                            teller(redaction)(untold)
                else:
                    local.epoch = hold.epoch
                    await catch_up(local, service)
                    yield local
            finally:
                site.permission.confirm = None


async def _begin_history(
    inventory: Inventory, meeting: Meeting, journal: SharedJournal, redaction: Redaction
) -> None:
    """Give a place where nothing lies yet what this machine knows of the service, and say so."""
    say = teller(redaction)
    async with earlier(inventory, meeting, redaction) as one:
        if one is not None:
            number = await bring(one, inventory, journal)
            brought = f"{count(number, 'deployment')} of {inventory.service} from {one.path}"
            say(f"{meeting.place.where} gets {brought}")
        elif why := await why_anew(inventory, meeting, redaction):
            say(why)
