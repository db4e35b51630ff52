"""The recorder of a deployment: every event goes to the journal and to the screen, masked."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from rollout.cli.facts import LAGGING, PRINTED, Facts
from rollout.cli.journal import node_memories
from rollout.cli.redaction import Redaction
from rollout.cli.tell_error import tell
from rollout.decisions.progress import Progress
from rollout.errors import JournalError, LockLost, PlaceError, RolloutError
from rollout.events import Event, Record
from rollout.ports import Journal

ShowRecord = Callable[[Record], None]
"""Shows one record on the screen, or sends it to somebody."""


class JournalRecorder:
    """Hands each event of one deployment to the journal, and shows it once it is on disk, with values of
    variables masked.

    A journal that fails must not leave a node halfway. Once `on_failure` is set, it is called with the first
    error, and nobody waits for the journal any more: each later event is tried again, unless it is a printed
    line.
    """

    def __init__(self, journal: Journal, facts: Facts, redaction: Redaction, show: ShowRecord) -> None:
        self._journal = journal
        self._facts = facts
        self._redaction = redaction
        self._shows = [show]
        self._unshown: deque[Record] = deque()
        """Events that are not known to be on disk yet, and those after them."""
        self._showing: asyncio.Task[None] | None = None
        self.on_failure: Callable[[JournalError], None] | None = None
        self.failed = False
        self._lost = False
        """Whether the lock is lost: nobody but this screen learns of what happens now."""

    @classmethod
    async def begin(
        cls, journal: Journal, service: str, events: Sequence[Event], redaction: Redaction, show: ShowRecord
    ) -> JournalRecorder:
        """The recorder of a new deployment, whose first events are on disk and shown. Raises JournalError."""
        masked = [redaction.event(event) for event in events]
        facts, records = await Facts.begin(journal, service, masked, await node_memories(journal, service))
        for record in records:
            show(record)
        return cls(journal, facts, redaction, show)

    @classmethod
    async def resume(
        cls, journal: Journal, last: Progress, events: Sequence[Event], redaction: Redaction, show: ShowRecord
    ) -> JournalRecorder:
        """The recorder of a deployment that continues, beginning with `events`. Raises JournalError."""
        facts = Facts(journal, last, await node_memories(journal, last.service))
        recorder = cls(journal, facts, redaction, show)
        for event in events:
            recorder(event)
        await recorder.written()
        return recorder

    @property
    def progress(self) -> Progress:
        """The deployment as far as it has come."""
        return self._facts.progress

    def tell(self, error: RolloutError) -> None:
        """Tell of an error on standard error, when nothing else can."""
        tell(error, self._redaction)

    def masked(self, text: str) -> str:
        """`text` as it may be shown."""
        return self._redaction.printable(text)

    def follow(self, show: ShowRecord) -> None:
        """Let `show` get every record from now on, too."""
        self._shows.append(show)

    def __call__(self, event: Event) -> None:
        masked = self._redaction.event(event)
        if self.failed and isinstance(event, PRINTED):
            self._show(Record(self.progress.deployment, 0, time.time(), masked))
            return
        record = self._facts.append(masked)
        if self.failed or self._lost or (isinstance(event, LAGGING) and not self._unshown):
            self._show(record)
            return
        self._unshown.append(record)
        if self._showing is None or self._showing.done():
            self._showing = asyncio.create_task(self._show_written())

    async def written(self, node: str = "") -> None:
        """Wait until all events so far are on disk, and have been shown; and until others know what they must
        before `node` is touched.

        Raises JournalError if there is nobody to be told of it, and PlaceError or LockLost if others cannot
        know it, so that the next thing must not be done.
        """
        if self.failed:
            return
        last = self._unshown[-1] if self._unshown else None
        try:
            await self._journal.written(node)
        except (PlaceError, LockLost) as error:  # what others do not know of is on this disk all the same
            self._lost = self._lost or isinstance(error, LockLost)
            self._show_until(self._unshown[-1] if self._unshown else None)
            raise
        except JournalError as error:
            if self.on_failure is None:
                raise
            if not self.failed:
                self.failed = True
                self._show_until(self._unshown[-1] if self._unshown else None)
                self.on_failure(error)
        else:
            self._show_until(last)

    async def _show_written(self) -> None:
        """Show what people could rely on only once it is on disk: a kill would have it undone."""
        with suppress(JournalError, PlaceError, LockLost):  # whoever waits for the journal is told
            while self._unshown and not self.failed:
                await self.written()

    def _show_until(self, last: Record | None) -> None:
        while last is not None and self._unshown and self._unshown[0].sequence <= last.sequence:
            self._show(self._unshown.popleft())

    def _show(self, record: Record) -> None:
        for show in self._shows:
            show(record)
