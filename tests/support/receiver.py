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
    """`posted` are the path and the JSON of each message, in order, and `requests` its method and headers."""

    def __init__(self, status: int = 200, host: str = "", answer: Any = None) -> None:
        """`answer` is what it sends back as JSON."""
        self.posted: list[tuple[str, Any]] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        content = b"" if answer is None else json.dumps(answer).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805 - http.server names its methods so
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                self.requests.append((handler.command, dict(handler.headers)))
                self.posted.append((handler.path, json.loads(body)))
                handler.send_response(status)
                handler.send_header("Location", "/elsewhere")
                handler.send_header("Content-Length", str(len(content)))
                handler.end_headers()
                handler.wfile.write(content)

            do_PUT = do_POST  # noqa: N815

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
def receiver(status: int = 200, answer: Any = None) -> Iterator[Receiver]:
    """It answers each message with `status`."""
    made = Receiver(status, answer=answer)
    try:
        yield made
    finally:
        made.close()
