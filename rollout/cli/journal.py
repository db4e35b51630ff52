"""The user's journal: opening it, reading past deployments from it, and recording a new one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rollout.adapters.journal import SqliteJournal, journal_path
from rollout.cli.process import is_gone
from rollout.cli.redaction import Redaction
from rollout.decisions.fold import fold
from rollout.decisions.history import REMEMBERED
from rollout.decisions.progress import Progress
from rollout.errors import JournalError
from rollout.events import Event, HookPrinted, NodeReturned, OutputSeen, Record
from rollout.ports import Journal

ShowRecord = Callable[[Record], None]
"""Shows one record on the screen, or sends it to somebody."""


@contextmanager
def journal_of_user(redaction: Redaction) -> Iterator[SqliteJournal]:
    """The user's journal, closed at the end. Raises JournalError."""
    journal = SqliteJournal(journal_path(), masked=redaction.name)
    try:
        yield journal
    finally:
        with suppress(JournalError):  # the caller that appended an unwritten event has seen the error
            journal.close()


def past_deployments(journal: Journal, service: str, latest: int = REMEMBERED) -> list[Progress]:
    """The `latest` deployments of the service, oldest first. Raises JournalError."""
    return [fold(journal.records(number)) for number in journal.deployments(service)[-latest:]]


def last_deployment(journal: Journal, service: str) -> Progress | None:
    """The deployment that is running or ran last; `None` if there was none. Raises JournalError."""
    return next(iter(past_deployments(journal, service, latest=1)), None)


def is_alive(deployment: Progress) -> bool:
    """Whether a deployment still runs; on another machine, one without an outcome counts as running."""
    return deployment.running and not is_gone(deployment.host, deployment.pid)


def mark_returned(journal: Journal, service: str, name: str) -> None:
    """Record that a node which deployments left out serves again. Raises JournalError."""
    for deployment in past_deployments(journal, service):
        if name in deployment.maybe_out and not is_alive(deployment):
            journal.append(deployment.deployment, NodeReturned(name))


class JournalRecorder:
    """Writes each event of one deployment to the journal, then shows it, with values of variables masked.

    A journal that fails must not leave a node halfway. Once `on_failure` is set, an event that cannot be
    written is shown all the same (with the sequence 0), and `on_failure` is called with the first error. Each
    later event is tried again, unless it is a printed line.
    """

    def __init__(self, journal: Journal, number: int, redaction: Redaction, show: ShowRecord) -> None:
        self._journal = journal
        self._number = number
        self._redaction = redaction
        self._shows = [show]
        self.on_failure: Callable[[JournalError], None] | None = None
        self.failed = False

    def masked(self, text: str) -> str:
        """`text` as it may be shown."""
        return self._redaction.printable(text)

    def follow(self, show: ShowRecord) -> Progress:
        """The deployment so far; from now on, `show` gets its records too. Raises JournalError."""
        self._shows.append(show)
        return fold(self._journal.records(self._number))

    def __call__(self, event: Event) -> None:
        masked = self._redaction.event(event)
        shown_only = Record(self._number, 0, time.time(), masked)
        if self.failed and isinstance(event, OutputSeen | HookPrinted):
            self._show(shown_only)
            return
        try:
            self._show(self._journal.append(self._number, masked))
        except JournalError as error:
            if self.on_failure is None:
                raise
            self._show(shown_only)
            if not self.failed:
                self.failed = True
                self.on_failure(error)

    def _show(self, record: Record) -> None:
        for show in self._shows:
            show(record)
