"""Tells others that a deployment begins, and how it ended: a fold over its events, as a view is."""

from __future__ import annotations

import functools
from urllib.parse import urlsplit

from rollout.cli.journals import Recorder
from rollout.cli.outbox import Outbox
from rollout.events import DeploymentFinished, Record, Warned
from rollout.inventory.hooks import Notify
from rollout.views.messages import MESSAGES


class Notifier:
    """Posts what it sees. A message that does not arrive is a warning, and nobody waits for it."""

    def __init__(self, notify: Notify, record: Recorder, outbox: Outbox) -> None:
        """The deployment that is recorded is about to be carried out."""
        self._notify = notify
        self._record = record
        self._outbox = outbox
        self._progress = record.follow(self._show)
        self._tell("started")

    def _show(self, record: Record) -> None:
        self._progress = self._progress.after(record)
        if isinstance(record.event, DeploymentFinished):
            self._tell("finished")

    def _tell(self, event: str) -> None:
        for name, url in self._notify.urls.items():
            self._outbox.post(
                url, MESSAGES[name](event, self._progress), functools.partial(self._warn, name, url)
            )

    def _warn(self, name: str, url: str, reason: str) -> None:
        self._record(Warned(f"notify.{name}: {urlsplit(url).hostname}: {reason}"))
