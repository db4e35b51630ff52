"""The health checks of one server of one HAProxy process, on timers."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.loop import world_time

if TYPE_CHECKING:
    from tests.simulation.process import SimServer

UNKNOWN, FAILED, PASSED, CONDITIONALLY = 0, 2, 3, 4
_MAINT = 0x23


@dataclass(frozen=True)
class Check:
    """The settings of a `check`, in seconds."""

    inter: float
    rise: int = 2
    fall: int = 3
    fastinter: float | None = None
    downinter: float | None = None
    timeout: float = 2.0


class Checking:
    """`health` counts from 0 to `full`. It sleeps while another check would change nothing."""

    def __init__(self, server: SimServer, check: Check | None) -> None:
        self._server = server
        self._check = check
        self.rise, self.fall = (check.rise, check.fall) if check else (2, 3)
        self.full = self.rise + self.fall - 1
        self.health = 0 if server.config.disabled else self.rise
        self.failed = 0
        """Checks that failed while it was up."""
        self.result = UNKNOWN
        self.status = "INI"
        self.code = ""
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0
        """When the last check ended; the next ones come in even steps from it."""
        self._stopped = check is None
        self._paused = False
        """Whether a check was due in maintenance, in which the clock goes on at `inter`."""

    def begin(self, share: float) -> None:
        """The first checks of a process are spread over the interval that counts then."""
        assert self._check is not None
        self._server.node.watchers[self] = None
        self._at(world_time() + self._interval() * share)

    def enable(self) -> None:
        """Begin to check a server that was added: one interval later."""
        self._server.node.watchers[self] = None
        self._last = world_time()
        self._at(self._last + self._interval())

    def stop(self) -> None:
        self._stopped = True
        self._server.node.watchers.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def wake(self) -> None:
        """Something changed: the next check that is due may see it."""
        if self._stopped or self._timer is not None or self._server.admin & _MAINT:
            return
        assert self._check is not None
        step = self._check.inter if self._paused else self._interval()
        self._paused = False
        now = world_time()
        self._at(self._last + max(1, math.ceil((now - self._last) / step + 1e-9)) * step)

    def _at(self, when: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(when, self._run)

    def _interval(self) -> float:
        assert self._check is not None
        check = self._check
        if self.health == self.full:
            return check.inter
        if self.health == 0 and self._server.state == 0:
            return check.downinter or check.inter
        return check.fastinter or check.inter

    def _run(self) -> None:
        self._timer = None
        self._last = world_time()
        if self._stopped or self._server.admin & _MAINT:
            self._paused = True  # leaving maintenance wakes it
            return
        assert self._check is not None
        seconds, status = self._server.node.checked()
        if seconds:
            late = seconds > self._check.timeout
            self._timer = asyncio.get_running_loop().call_later(
                min(seconds, self._check.timeout), self._complete, 0 if late else status, late
            )
        else:
            self._complete(status, late=False)

    def _complete(self, http: int | None, late: bool) -> None:
        """`http` is the status of the page, `None` where nothing listens."""
        self._timer = None
        self._last = world_time()
        server = self._server
        if self._stopped or server.admin & _MAINT:
            return
        before = (self.health, self.result, self.status, server.state)
        if http is not None and 200 <= http < 400:
            self._passed(http)
        elif http == 404 and server.backend.disable_on_404 and server.state != 0:
            self.result, self.status, self.code = CONDITIONALLY, "L7OKC", "404"
            if self.health > 0:
                self._rose()
            if self.health >= self.rise:
                server.set_stopping()
        else:
            self._failed("L7TOUT" if late else "L4CON" if http is None else "L7STS", http)
        if before != (self.health, self.result, self.status, server.state):
            server.check_changed()
            self._at(self._last + self._interval())

    def _passed(self, http: int) -> None:
        self.result, self.status, self.code = PASSED, "L7OK", str(http)
        self._rose()
        if self.health >= self.rise:
            self._server.set_running()

    def _failed(self, status: str, http: int | None) -> None:
        self.result, self.status, self.code = FAILED, status, str(http or "")
        self.failed += self.health >= self.rise
        if self.health > self.rise:
            self.health -= 1
        else:
            self.health = 0
            self._server.set_stopped()

    def _rose(self) -> None:
        if self.health < self.full:
            self.health += 1
            if self.health >= self.rise:
                self.health = self.full
