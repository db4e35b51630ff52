"""Reports of gunicorn's workers to a deployment that waits for them: a worker is ready, or why it is not.

In gunicorn's configuration file, one line:

    from rollout.app.gunicorn import post_worker_init

or, with a health page at another path, or with UDP:

    from rollout.app.gunicorn import Report
    post_worker_init = Report(page="/healthz", notify="udp://127.0.0.1:4012")
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_PAUSE = 2.0
"""Seconds for which a worker that is not ready does not serve, so that it can be ended before it does."""

_CALL_WSGI = ("gunicorn.workers.base_async", "gunicorn.workers.gthread", "gunicorn.workers.sync")


class Report:
    """A hook for gunicorn's `post_worker_init`. It never raises, and does nothing if nobody listens."""

    def __init__(self, page: str = "/_status", notify: str | None = None) -> None:
        """`page` is the path of the health page, `notify` the URL to which a datagram is sent.

        By default it goes to a socket beside gunicorn's pidfile.
        """
        self.page = page
        self._notify = notify

    def __call__(self, worker: Any) -> None:
        try:
            with self._connected(worker.cfg.pidfile) as listener:
                wrong = self._why_not_ready(worker) if _calls_wsgi(worker) else ""
                state = f"not ready: {wrong}" if wrong else "ready"
                listener.send(f"{os.getpid()} {state}".encode()[:1000])
            end = time.monotonic() + _PAUSE
            while wrong and worker.alive and time.monotonic() < end:
                time.sleep(0.05)
        except Exception:  # noqa: S110 - an exception here would keep the application from ever starting
            pass

    def _why_not_ready(self, worker: Any) -> str:
        """Why the application's health page does not answer; empty if it does."""
        try:
            status = _ask(worker.wsgi, self.page)
        except Exception as error:
            return f"{self.page} failed with {type(error).__name__}: {error}"
        # Any answer that the application gives on purpose will do: a drained node answers its page with 404.
        return f"{self.page} answered {status}" if status.startswith("5") else ""

    def _connected(self, pidfile: str) -> socket.socket:
        """A socket to the deployment that listens. Raises OSError if none does."""
        address: Any
        family, address = socket.AF_UNIX, f"{os.path.realpath(pidfile)}.ready"
        if self._notify is not None:
            url = urlsplit(self._notify)
            family, _, _, _, address = socket.getaddrinfo(url.hostname, url.port, type=socket.SOCK_DGRAM)[0]
        listener = socket.socket(family, socket.SOCK_DGRAM)
        listener.setblocking(False)  # a listener that does not read must not keep a worker from starting
        try:
            listener.connect(address)
        except OSError:
            listener.close()
            raise
        return listener


def _calls_wsgi(worker: Any) -> bool:
    """Whether the worker is one of gunicorn's own that call WSGI. Others load their application later, or
    call it in another way."""
    return any(one.__module__ in _CALL_WSGI for one in type(worker).__mro__)


def _ask(app: WSGIApplication, path: str) -> str:
    """The status with which `app` answers a GET of `path`, such as `200 OK`."""
    environ: dict[str, Any] = {
        "HTTP_HOST": "localhost",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "RAW_URI": path,
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "0",
        "SERVER_SOFTWARE": "gunicorn",
    }
    setup_testing_defaults(environ)
    statuses: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(status)
        return lambda data: None

    body = app(environ, start_response)
    try:
        for _ in body:
            pass
    finally:
        if hasattr(body, "close"):
            body.close()
    return statuses[-1]


post_worker_init = Report()
