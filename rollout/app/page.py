"""The health page, the same for WSGI and ASGI."""

from __future__ import annotations

import json
import os.path
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the page. `headers` are in the order in which they are sent."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """The page at `path`: 200, or 404 while `file` exists. Both name the `release`, if one is given."""

    path: str
    file: str | None
    release: str | None

    def answers(self, method: str, path: str) -> bool:
        """Whether a request is for the page and not for the application."""
        return path == self.path and method in ("GET", "HEAD")

    def answer(self, method: str) -> Answer:
        """The answer to a request by `method`, GET or HEAD.

        A file that cannot be looked at counts as missing: wrong permissions on a folder must not take every
        node out of rotation.
        """
        draining = self.file is not None and os.path.exists(self.file)
        content = {"status": "draining" if draining else "ok"}
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        if self.release is not None:
            content["release"] = self.release
            headers.append(("X-Release", self.release))
        body = json.dumps(content).encode() + b"\n"
        headers.append(("Content-Length", str(len(body))))
        status, reason = (404, "Not Found") if draining else (200, "OK")
        return Answer(status, reason, headers, b"" if method == "HEAD" else body)
