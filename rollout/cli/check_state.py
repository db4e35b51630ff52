"""What `rollout check` says of the place where the deployers of the service meet."""

from __future__ import annotations

from rollout.adapters.places.folder import FolderPlace
from rollout.cli.wiring import OpenSite
from rollout.decisions.finding import Finding, Level
from rollout.errors import HostError, JournalError, PlaceError
from rollout.remote.place import SHARED

_SUBJECT = "state"


async def state_finding(site: OpenSite) -> Finding:
    """Where the lock and the journal lie, and who may use them."""
    try:
        meeting = await site.meeting()
        await meeting.place.look()
    except (PlaceError, HostError, JournalError) as error:
        return Finding(Level.PROBLEM, _SUBJECT, str(error), error.hint)
    place = meeting.place
    if not meeting.shared:
        text = f"only this login on this machine knows of deployments: {place.where}"
        return Finding(
            Level.NOTE, _SUBJECT, text, "`state:` in the inventory names a place for all deployers"
        )
    if isinstance(place, FolderPlace) and place.read_only:
        text = f"this login may only look at the state: {place.read_only}"
        return Finding(Level.PROBLEM, _SUBJECT, text, "let it write there, or deploy with another login")
    if not isinstance(place, FolderPlace):
        return Finding(Level.OK, _SUBJECT, f"all deployers meet in {place.where}")
    if place.group:
        text = f"the members of the group {place.group} meet in {place.where}"
        return Finding(Level.OK, _SUBJECT, text)
    why = f"; {place.not_here}" if place.not_here else ""
    return Finding(
        Level.WARNING if place.not_here else Level.NOTE,
        _SUBJECT,
        f"only one login meets in {place.where}{why}",
        f"to share it with the members of a group, run there as root: install -d -m 2770 -g GROUP {SHARED}",
    )
