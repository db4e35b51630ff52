"""Tells GitHub or GitLab of a deployment: a fold over its events, like a view."""

from __future__ import annotations

from rollout.cli.notify import Outbox
from rollout.cli.recorder import JournalRecorder
from rollout.decisions.fold import advance
from rollout.engine.claim import Say
from rollout.errors import RequestFailed
from rollout.events import DeploymentFinished, Record
from rollout.views.forges import Call, Forge

_TIMEOUT = 5.0
"""Seconds for one request."""


class ForgeReporter:
    """Tells a forge that a deployment has begun, and how it ended. Whatever goes wrong there is a warning on
    standard error, and nobody waits for it before everything else is done."""

    def __init__(self, forge: Forge, record: JournalRecorder, outbox: Outbox, say: Say) -> None:
        """The deployment that `record` records is about to run."""
        self._forge = forge
        self._outbox = outbox
        self._say = say
        self._progress = record.progress
        self._number: int | None = None
        """The deployment's number there."""
        record.follow(self._show)
        self._outbox.run(forge.name, self._begin, self._warn)

    def _show(self, record: Record) -> None:
        self._progress = advance(self._progress, record)
        if isinstance(record.event, DeploymentFinished):
            self._outbox.run(self._forge.name, self._end, self._warn)

    async def _begin(self) -> None:
        number = (await self._send(self._forge.create(self._progress))).get("id")
        if not isinstance(number, int):
            raise RequestFailed("the answer names no deployment")
        self._number = number
        if call := self._forge.began(number, self._progress):
            await self._send(call)

    async def _end(self) -> None:
        if self._number is not None:
            await self._send(self._forge.ended(self._number, self._progress))

    async def _send(self, call: Call) -> dict[str, object]:
        # Imported here because it loads the HTTP library, which most deployments do not need.
        from rollout.adapters.forge import call as send

        return await send(call.method, call.url, self._forge.headers, call.body, timeout=_TIMEOUT)

    def _warn(self, reason: str) -> None:
        self._say(f"warning: {self._forge.name} was not told: {reason}")
