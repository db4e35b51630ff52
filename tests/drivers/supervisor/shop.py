"""Answers with the release that was on disk when it started, or cannot start with it, or dies of it later.

usage: shop.py HOST PORT
"""

import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

release = Path("release").read_text()
if release == "broken":
    sys.exit("no such table: orders")
if release == "dies":
    signal.alarm(2)


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(release.encode())

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Nothing of each request."""


HTTPServer((sys.argv[1], int(sys.argv[2])), Page).serve_forever()
