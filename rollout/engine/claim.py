"""A claim on a node: from then on only its maker's commands begin there. Those that others left come to an
end first.

A command goes on when whoever sent it is killed, or its connection breaks. Whoever changes the node next
would otherwise work beside it: put back a node that is then restarted, or write a release that is then
overwritten.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection

from rollout.domain import Note, Orphan
from rollout.engine.waiting import run_all
from rollout.errors import HostError, NodeBusy, Refused
from rollout.inventory.quantities import format_duration
from rollout.ports import Host
from rollout.remote import notes

_LOOK = 30.0
"""Seconds for one look at a node."""
_LOOK_AGAIN = 0.5
"""Seconds between two looks while a command is waited for."""
_OUTLASTS = "restart"
"""The step whose effect may go on in another program after its command was ended: in systemd, in Docker."""

Say = Callable[[str], None]
"""Tells people what is waited for."""


class Claim:
    """The claim of this process on one node.

    `place` tells the node of this service from all others that may be on its machine.
    """

    def __init__(self, host: Host, place: str, sender: str) -> None:
        self._host = host
        self._place = place
        self._sender = sender
        self._id = ""
        self.unkept = ""
        """Why the node can keep no note, so that nobody will see what a killed rollout left there; empty if
        it can, or was not asked yet."""
        self.error: HostError | None = None
        """Why the node could not be claimed."""

    @property
    def made(self) -> bool:
        """Whether this process has claimed the node."""
        return bool(self._id)

    def note(self, step: str, deployment: str) -> Note:
        """The note of a command of a step; `deployment` is its number, if it has one."""
        return Note(self._place, self._id, self._sender, step, deployment)

    async def look(self) -> list[Orphan]:
        """The orphans that run on the node. Nothing is claimed. Raises HostError."""
        return await self._look("", forgets=True)

    async def make(self, *, returning: bool) -> list[Orphan]:
        """Claim the node, and return the orphans there. Raises HostError.

        A node that is `returning` to rotation must be at rest. So a restart that was ended in the middle
        counts as an orphan until its time-out is over: its effect may go on in another program.
        """
        claim = secrets.token_hex(8)
        found = await self._look(claim, forgets=not returning)
        self._id = claim
        return [orphan for orphan in found if orphan.processes or orphan.step == _OUTLASTS]

    async def settle(self, say: Say, *, returning: bool) -> bool:
        """Claim the node, and wait until no orphan is left there. Returns whether there was one.

        One whose time-out is over is ended. Raises NodeBusy for one that cannot be, and HostError.
        """
        told: set[str] = set()
        ended: set[str] = set()
        while orphans := await self.make(returning=returning):
            for orphan in orphans:
                if orphan.left > 0 and orphan.note not in told:
                    told.add(orphan.note)
                    say(f"{self._host.name}: {_waiting_for(orphan)}")
                elif orphan.left <= 0 and orphan.note in ended:
                    raise self._busy(orphan)
                elif orphan.left <= 0:
                    ended.add(orphan.note)
                    say(f"{self._host.name}: ending the {orphan}, since its time-out is over")
                    await self._end(orphan)
            if all(orphan.left > 0 for orphan in orphans):
                await asyncio.sleep(_LOOK_AGAIN)
        if told or ended:
            say(f"{self._host.name}: nothing of it runs any more")
        return bool(told or ended)

    async def _end(self, orphan: Orphan) -> None:
        await self._host.run(notes.END, environment={"ROLLOUT_ENDED": orphan.note}, timeout=_LOOK)

    async def _look(self, claim: str, *, forgets: bool) -> list[Orphan]:
        asked = notes.environment(self._place, claim, self._sender, forgets=forgets)
        completed = await self._host.run(notes.LOOK, environment=asked, timeout=_LOOK)
        self.unkept = notes.unkept(completed.tail)
        return notes.orphans(completed.tail)

    def _busy(self, orphan: Orphan) -> NodeBusy:
        name = self._host.name
        numbers = " ".join(process.partition(" ")[0] for process in orphan.processes)
        return NodeBusy(
            name,
            f"the {orphan} still runs, although its time-out of {format_duration(orphan.timeout)} is over, "
            "and rollout could not end it",
            hint=f"on {name}, end it yourself (`kill {numbers}`, with sudo if need be); if that process is "
            f"the application and is to go on, remove the note: `rm {orphan.note}`",
        )


async def claim_all(claims: Collection[Claim], say: Say) -> bool:
    """Claim nodes at the same time, and wait until no orphan is left on any of them. Returns whether there
    was one.

    A node that cannot be reached keeps the error: it may not be touched. Raises Refused, with all reasons, if
    an orphan cannot be ended.
    """
    busy: list[NodeBusy] = []

    async def settled(claim: Claim) -> bool:
        try:
            return await claim.settle(say, returning=False)
        except NodeBusy as error:
            busy.append(error)
        except HostError as error:
            claim.error = error
        return False

    waited = await run_all(map(settled, claims))
    if busy:
        raise Refused("\n".join(map(str, busy)), hint="\n".join(filter(None, (one.hint for one in busy))))
    return any(waited)


def _waiting_for(orphan: Orphan) -> str:
    left = format_duration(orphan.left)
    if orphan.processes:
        return f"waiting for the {orphan}; it is ended in {left} at the latest"
    return f"waiting {left} after the {orphan}: it was ended in the middle, and what it began may go on"
