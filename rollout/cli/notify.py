"""Messages to chat and webhooks when a deployment starts and ends: a fold over its events, like a view."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from rollout.cli.recorder import JournalRecorder
from rollout.decisions.fold import advance
from rollout.errors import RequestFailed
from rollout.events import DeploymentFinished, Record, Warned
from rollout.inventory.hooks import Notify
from rollout.views.messages import MESSAGES

_TIMEOUT = 10.0
"""Seconds for one message, and for all that are left once everything else is done."""


class Outbox:
    """Messages that are sent in the background. Nobody waits for them until everything else is done."""

    def __init__(self) -> None:
        self._sending: list[asyncio.Task[None]] = []
        self._last: dict[str, asyncio.Task[None]] = {}

    def post(self, url: str, message: dict[str, Any], failed: Callable[[str], None]) -> None:
        """Send a message after those before it to the same URL. `failed` gets the reason of a failure."""

        async def send() -> None:
            # Imported here because it loads the HTTP library, which most deployments do not need.
            from rollout.adapters.webhook import post

            await post(url, message, timeout=_TIMEOUT)

        self.run(url, send, failed)

    def run(self, to: str, send: Callable[[], Awaitable[None]], failed: Callable[[str], None]) -> None:
        """Send something after what was sent before `to` the same. `send` may raise RequestFailed."""
        task = asyncio.create_task(self._send(send, failed, self._last.get(to)))
        self._last[to] = task
        self._sending.append(task)

    async def aclose(self) -> None:
        """Wait until every message is sent or has failed, at most ten seconds."""
        if not self._sending:
            return
        try:
            await asyncio.wait(self._sending, timeout=_TIMEOUT)
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    async def _send(
        self,
        send: Callable[[], Awaitable[None]],
        failed: Callable[[str], None],
        before: asyncio.Task[None] | None,
    ) -> None:
        try:
            if before is not None:
                await asyncio.wait([before])
            await send()
        except RequestFailed as error:
            failed(str(error))
        except asyncio.CancelledError:
            failed("it was not sent in time")
            raise


class Notifier:
    """Posts a message when its deployment starts and when it ends. One that does not arrive is a warning."""

    def __init__(self, notify: Notify, record: JournalRecorder, outbox: Outbox) -> None:
        """Posts the first message: the deployment that `record` records is about to run."""
        self._notify = notify
        self._record = record
        self._outbox = outbox
        self._progress = record.progress
        record.follow(self._show)
        self._post("started")

    def _show(self, record: Record) -> None:
        self._progress = advance(self._progress, record)
        if isinstance(record.event, DeploymentFinished):
            self._post("finished")

    def _post(self, event: str) -> None:
        for name, url in self._notify.urls.items():
            self._outbox.post(
                url, MESSAGES[name](event, self._progress), functools.partial(self._warn, name, url)
            )

    def _warn(self, name: str, url: str, reason: str) -> None:
        self._record(Warned(f"notify.{name}: {urlsplit(url).hostname}: {reason}"))
