"""The probe: the service's public address, requested all through a deployment as a user would."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable
from http import HTTPStatus

from rollout.deadline import look
from rollout.errors import RequestFailed
from rollout.events import Probed
from rollout.inventory.probe import PublicProbe
from rollout.ports import HttpClient


class Probing:
    """The requests of one deployment. `halt` is called with the reason, once, when too many have failed."""

    def __init__(self, settings: PublicProbe, http: HttpClient, halt: Callable[[str], None]) -> None:
        self._settings = settings
        self._http = http
        self._halt = halt
        self._took: list[float] = []
        """Milliseconds of each request."""
        self._failed = 0

    async def run(self) -> None:
        """Send requests until it is cancelled. A slow answer does not hold up the next request."""
        async with asyncio.TaskGroup() as asking:
            while True:
                asking.create_task(self._ask())
                await asyncio.sleep(self._settings.every)

    def seen(self) -> Probed:
        """The figures so far, as the deployment's last event about the probe has them."""
        took = self._took or [0.0]
        return Probed(len(self._took), self._failed, round(statistics.median(took)), round(max(took)))

    def slowest_since(self, answers: int) -> int:
        """Milliseconds until the slowest answer after the first `answers`; 0 if there was none."""
        return round(max(self._took[answers:], default=0.0))

    async def _ask(self) -> None:
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            url, timeout = self._settings.url, self._settings.timeout
            answer = await look(lambda: self._http.request("GET", url, timeout=timeout))
            wrong = f"status {answer.status}" if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR else ""
        except RequestFailed as error:
            wrong = str(error)
        self._took.append((clock() - begun) * 1000)
        if wrong:
            self._failed += 1
            if self._failed == self._settings.max_failures + 1:
                self._halt(
                    f"the probe of {self._settings.url} failed {self._failed} times, most recently: {wrong}"
                )
