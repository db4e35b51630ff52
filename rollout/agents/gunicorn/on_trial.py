"""A gunicorn that is on trial: it must listen, answer and report, and nothing of it may end meanwhile."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from rollout.agents.common import deadline, proc
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, say, still_heard
from rollout.agents.gunicorn import printed
from rollout.agents.gunicorn.ready import Listener
from rollout.agents.gunicorn.workers import serves, workers

_PAGE = "/_status"
"""The page to ask for where the hook is not rollout's own. Then any answer will do."""
MASTER = 10.0
"""Seconds that a master may take to start, if `ready` is shorter."""
_SHOW = 3.0
"""Seconds within which a worker that answers must have reported, and have shown that it serves."""
_ENDING = 1.0
"""Seconds until it is seen that a process has ended whose connections are closed."""

Answer = Tuple[int, str]
"""A status, 0 if there was no answer, and the same in words."""


class Limits(NamedTuple):
    """The times of a trial, in seconds: `ready` is for its worker to become ready, as for any other; it must
    go on for `hold` after it has answered, since some code answers and then ends."""

    ready: float
    hold: float
    end: Deadline


class Outcome(NamedTuple):
    """The outcome of a trial that went well. `whole` and `worker` are the seconds that it took, and those of
    its worker alone."""

    whole: float
    worker: float
    shows: bool
    """Whether workers show when they begin to serve."""
    doubtful: bool
    """Whether the worker's own question to its application failed, although a request by HTTP did not."""


class OnTrial:
    """A gunicorn on trial, which writes to the file `address` where it listens."""

    def __init__(
        self,
        started: subprocess.Popen[bytes],
        address: str,
        output: IO[bytes],
        listeners: Sequence[Listener],
    ) -> None:
        self._started = started
        self._begun = time.monotonic()
        self._address = address
        self._output = output
        self._listeners = listeners
        self._answered = False
        self._master: Optional[Process] = None
        self._workers: List[Process] = []

    def prove(self, limits: Limits) -> Outcome:
        """Wait until its worker has answered and reported, and has held. Raises Failed, after printing its
        log."""
        ready, hold, end = limits
        if not end.or_after(max(ready, MASTER)).wait_for(self._listens, between=still_heard):
            raise self._late(end)
        found = json.loads(Path(self._address).read_text())
        self._master, page = proc.find(found["pid"]), found["page"]
        listening = time.monotonic()
        answers: List[Answer] = []
        threading.Thread(target=_ask, args=(found, page or _PAGE, answers), daemon=True).start()
        if not end.or_after(ready).wait_for(lambda: bool(answers) or not self._runs(), between=still_heard):
            raise self._late(end)
        answered = time.monotonic()
        status, words = answers[0]
        if status == 0:
            deadline.after(_ENDING).wait_for(lambda: not self._runs())
        if status == 0 or (page is not None and status >= http.client.INTERNAL_SERVER_ERROR):
            raise self._not_ready(words)
        self._answered = True
        told = self._told(page is None)
        end.or_after(hold).wait_for(lambda: not self._runs(), between=still_heard)
        shows = any(map(serves, self._workers))
        return Outcome(answered - self._begun, answered - listening, shows, doubtful=bool(told))

    def _listens(self) -> bool:
        return self._runs() and os.path.exists(self._address)

    def _runs(self) -> bool:
        """Always true: raises Failed if the master or a worker has ended."""
        self._look_for_workers()
        if self._started.poll() is None and all(map(proc.lives, self._workers)):
            return True
        what = "ended soon after it had answered" if self._answered else "does not start"
        why = printed.show(self._output) or f"exit status {self._started.poll()}"
        raise Failed(f"BROKEN: the new code {what}, so nothing was signalled: {why}")

    def _look_for_workers(self) -> None:
        if self._master is not None:
            self._workers += [one for one in workers(self._master) if one not in self._workers]

    def _told(self, only_word: bool) -> str:
        """Why its worker reported that it is not ready; empty if it did not. Raises Failed without a report,
        or if that is the `only_word` on its page."""
        reports: Dict[int, str] = {}

        def shown() -> bool:
            self._look_for_workers()
            for listener in self._listeners:
                listener.listen(0)
                reports.update(listener.of(self._workers))
            return bool(reports) and any(map(serves, self._workers))

        deadline.after(_SHOW).wait_for(shown)
        if not reports:
            raise Failed(
                "the new code answers on trial, but its worker did not report that it is ready, so nothing "
                "was signalled: does the hook in gunicorn's configuration file send to where this restart "
                "listens?"
            )
        why = next(filter(None, reports.values()), "")
        if why and only_word:
            raise self._not_ready(why)
        if why:
            say(f"the new code answers by HTTP, so what its worker says is not heeded: it is {why}")
        return why

    def _late(self, end: Deadline) -> Failed:
        limit = "all that the time-out of the restart leaves" if end.passed else "`ready`"
        seconds = time.monotonic() - self._begun
        why = printed.show(self._output)
        return Failed(
            f"BROKEN: the new code was not ready on trial after {seconds:.0f} s ({limit}), so nothing was "
            f"signalled: {why}"
        )

    def _not_ready(self, why: str) -> Failed:
        printed.show(self._output)
        return Failed(f"BROKEN: the new code is not ready, so nothing was signalled: {why}")


def _ask(found: Dict[str, Any], page: str, answers: List[Answer]) -> None:
    """Ask a gunicorn for a page, as a client would, and add the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", found["port"])
    if found["tls"]:
        # It may have no certificate for this address, and it is our own.
        unverified = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection("127.0.0.1", found["port"], context=unverified)
    headers = {"Host": "localhost", "User-Agent": "rollout", "Connection": "close"}
    try:
        connection.request("GET", page, headers=headers)
        reply = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        answers.append((0, f"{page} was not answered: {type(error).__name__}: {error}"))
        return
    answers.append((reply.status, f"{page} answered {reply.status} {reply.reason}"))
