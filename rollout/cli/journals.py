"""The journal as the verbs use it."""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Callable

from rollout.adapters.journal import SqliteJournal, journal_path
from rollout.cli.redaction import Redaction
from rollout.errors import JournalError
from rollout.events import DeploymentStarted, Event, OutputSeen, Record
from rollout.plan import Plan
from rollout.ports import Journal
from rollout.progress import Progress

_REMEMBERED = 20
"""Deployments that are looked through for nodes that were left out."""

Show = Callable[[Record], None]


def open_journal() -> SqliteJournal:
    """The user's journal. Raises JournalError."""
    return SqliteJournal(journal_path())


class Recorder:
    """Writes each event to the journal, then shows it; what came from variables is masked before.

    A journal that fails is no reason to leave a node halfway: once `on_failure` is set, an event that cannot
    be written is shown all the same (with 0 for its sequence), and `on_failure` is told once. Facts are tried
    again with the next one; printed lines are not.
    """

    def __init__(self, journal: Journal, number: int, redaction: Redaction, show: Show) -> None:
        self._journal = journal
        self._number = number
        self._redaction = redaction
        self._show = show
        self.on_failure: Callable[[JournalError], None] | None = None
        self.failed = False

    def __call__(self, event: Event) -> None:
        masked = self._redaction.event(event)
        shown_only = Record(self._number, 0, time.time(), masked)
        if self.failed and isinstance(event, OutputSeen):
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
    return Progress.fold(journal.records(numbers[-1])) if numbers else None


def left_out(journal: Journal, service: str) -> frozenset[str]:
    """The nodes that deployments left out, or may have, and that none brought back since."""
    out: set[str] = set()
    for number in journal.deployments(service)[-_REMEMBERED:]:
        progress = Progress.fold(journal.records(number))
        still = {*progress.left_out, *progress.in_doubt}
        touched = {node.name for node in progress.nodes.values() if node.started is not None}
        out = (out - touched) | still
    return frozenset(out)


def started(plan: Plan, inventory: str) -> DeploymentStarted:
    """The first event of a deployment: what will be done, and who does it from where."""
    return DeploymentStarted(
        service=plan.service,
        release=plan.release,
        nodes=plan.nodes,
        skipped=tuple(plan.skipped),
        load_balancers=tuple(sorted({c.load_balancer for c in plan.capacity})),
        window=plan.window,
        canary=plan.canary,
        inventory=inventory,
        user=_user(),
        host=socket.gethostname(),
        pid=os.getpid(),
    )


def _user() -> str:
    """In a container, a user may have a number only."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
