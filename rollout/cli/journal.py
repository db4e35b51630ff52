"""The journal as the verbs use it."""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rollout.adapters.journal import SqliteJournal, journal_path
from rollout.cli.redaction import Redaction
from rollout.decisions.fold import fold
from rollout.decisions.progress import NodeProgress, Phase, Progress
from rollout.errors import JournalError, Refused
from rollout.events import Event, HookPrinted, NodeReturned, OutputSeen, Record
from rollout.ports import Journal

_REMEMBERED = 20
"""Deployments that are looked through for nodes that were left out."""

Show = Callable[[Record], None]


def open_journal(redaction: Redaction) -> SqliteJournal:
    """The user's journal. Raises JournalError."""
    return SqliteJournal(journal_path(), masked=redaction.name)


@contextmanager
def journal_of_user(redaction: Redaction) -> Iterator[SqliteJournal]:
    """The user's journal, closed at the end. Raises JournalError."""
    journal = open_journal(redaction)
    try:
        yield journal
    finally:
        with suppress(JournalError):  # an event that was not written has been told
            journal.close()


class JournalRecorder:
    """Writes each event to the journal, then shows it; what came from variables is masked before.

    A journal that fails is no reason to leave a node halfway: once `on_failure` is set, an event that cannot
    be written is shown all the same (with 0 for its sequence), and `on_failure` is told once. Facts are tried
    again with the next one; printed lines are not.
    """

    def __init__(self, journal: Journal, number: int, redaction: Redaction, show: Show) -> None:
        self._journal = journal
        self._number = number
        self._redaction = redaction
        self._shows = [show]
        self.on_failure: Callable[[JournalError], None] | None = None
        self.failed = False

    def _show(self, record: Record) -> None:
        for show in self._shows:
            show(record)

    def masked(self, text: str) -> str:
        """`text` as it may be shown."""
        return self._redaction.printable(text)

    def follow(self, show: Show) -> Progress:
        """What happened so far; what happens from now on is given to `show`, too. Raises JournalError."""
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


def last_deployment(journal: Journal, service: str) -> Progress | None:
    """The deployment that runs or ran last; `None` if there was none."""
    numbers = journal.deployments(service)
    return fold(journal.records(numbers[-1])) if numbers else None


def last_started(journal: Journal, service: str) -> Progress:
    """The last deployment. Raises Refused if there was none."""
    last = last_deployment(journal, service)
    if last is None or last.started is None:
        raise Refused(f"{service} has not been deployed from here", hint="rollout deploy")
    return last


def is_alive(deployment: Progress) -> bool:
    """Whether a deployment without an end still runs; on another machine, that is taken for granted."""
    if not deployment.running:
        return False
    if deployment.host != socket.gethostname():
        return True
    try:
        os.kill(deployment.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def remembered(journal: Journal, service: str) -> list[Progress]:
    """The latest deployments, oldest first."""
    return [fold(journal.records(number)) for number in journal.deployments(service)[-_REMEMBERED:]]


def left_out(journal: Journal, service: str) -> dict[str, NodeProgress]:
    """The nodes that deployments left out, or may have, and that none brought back since.

    Each as the deployment that left it out knows it.
    """
    out: dict[str, NodeProgress] = {}
    for deployment in remembered(journal, service):
        for node in deployment.nodes.values():
            if node.name in deployment.maybe_out:
                out.setdefault(node.name, node)
            elif node.started is not None:
                out.pop(node.name, None)
    return out


def mark_returned(journal: Journal, service: str, name: str) -> None:
    """A node that deployments left out serves again."""
    for deployment in remembered(journal, service):
        if name in deployment.maybe_out and not is_alive(deployment):
            journal.append(deployment.deployment, NodeReturned(name))


def known_releases(journal: Journal, service: str) -> dict[str, str]:
    """The release that a deployment last finished with, by node."""
    return {
        node.name: release
        for deployment in remembered(journal, service)
        for node in deployment.nodes.values()
        if node.phase is Phase.DONE and (release := deployment.release_of(node.name))
    }


def user() -> str:
    """In a container, a user may have a number only."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
