"""An inventory that names another service than before, since its load balancers are others."""

from __future__ import annotations

from contextlib import suppress
from glob import escape

from rollout.adapters.journal import SqliteJournal
from rollout.cli.journal import closing, last_deployment
from rollout.cli.meeting import Meeting
from rollout.errors import JournalError
from rollout.inventory import Inventory


async def was_another(inventory: Inventory, meeting: Meeting) -> str:
    """What to say if this machine has deployed this very inventory as another service; empty if it has not.

    A service is known by its load balancers. So others have another history, which is not this one's.
    """
    service, _, _ = meeting.copy.stem.rpartition("-")
    for path in meeting.copy.parent.glob(f"{escape(service)}-*{meeting.copy.suffix}"):
        if path == meeting.copy:
            continue
        with suppress(JournalError):
            journal = await SqliteJournal.open(path, read_only=True)
            async with closing(journal):
                last = await last_deployment(journal, inventory.service)
            if last is not None and last.inventory == str(inventory.path):
                return (
                    f"{inventory.service} has other load balancers than at deployment {last.deployment} from "
                    f"{last.inventory}, so it counts as another service: its history begins anew"
                )
    return ""
