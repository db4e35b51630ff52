"""An HTTP server of the test that keeps what is posted to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.loopback import own_address


class Receiver:
    """`posted` are the path and the JSON of each message, in order."""

    def __init__(self, status: int = 200, host: str = "") -> None:
        self.posted: list[tuple[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805 - http.server names its methods so
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                self.posted.append((handler.path, json.loads(body)))
                handler.send_response(status)
                handler.send_header("Location", "/elsewhere")
                handler.send_header("Content-Length", "0")
                handler.end_headers()

            def log_message(handler, *_: object) -> None:  # noqa: N805
                """The test looks at `posted`."""

        self._server = ThreadingHTTPServer((host or own_address(), 8000), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        host, port, *_ = self._server.server_address
        return f"http://{host!s}:{port}"

    def to(self, path: str) -> list[Any]:
        """What was posted to `path`."""
        return [message for where, message in list(self.posted) if where == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def receiver(status: int = 200) -> Iterator[Receiver]:
    """It answers each message with `status`."""
    made = Receiver(status)
    try:
        yield made
    finally:
        made.close()
