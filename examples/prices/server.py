"""A price list over HTTP that is loaded by a thread in the background, while the old one keeps serving.

usage: server.py FOLDER HOST PORT

FOLDER/current leads to a folder with prices.json. `POST /-/reload` starts to load the list anew and answers
at once; when all of it has been read, the next request gets the new one. `/_status` reports the release
that is served, and why a release could not be loaded. `/NAME` answers a price.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Prices:
    """One version of the list. Raises OSError, ValueError."""

    def __init__(self, current: Path) -> None:
        folder = current.resolve()
        self.release = folder.name
        self.by_name: dict[str, int] = json.loads((folder / "prices.json").read_text())


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        prices = (
            self.server.prices
        )  # look at the pointer only once, so that the whole answer comes from one list
        if self.path == "/_status":
            self._answer(200, json.dumps({"release": prices.release, "wrong": self.server.wrong}))
        elif (price := prices.by_name.get(self.path.removeprefix("/"))) is not None:
            self._answer(200, str(price))
        else:
            self._answer(404, "no such thing\n")

    def do_POST(self) -> None:
        if self.path != "/-/reload":
            self._answer(404, "no such thing\n")
            return
        threading.Thread(target=self.server.load).start()
        self._answer(202, "loading\n")

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class Server(ThreadingHTTPServer):
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], current: Path) -> None:
        self._current = current
        self._loading = threading.Lock()
        self.wrong = ""
        self.prices = Prices(current)
        super().__init__(address, Handler)

    def load(self) -> None:
        """Load lists one at a time, so that the list that was asked for last stays."""
        with self._loading:
            try:
                self.prices = Prices(self._current)
                self.wrong = ""
            except (OSError, ValueError) as error:
                self.wrong = f"{error}: still serving release {self.prices.release}"


if __name__ == "__main__":
    folder, host, port = sys.argv[1:]
    Server((host, int(port)), Path(folder) / "current").serve_forever()
