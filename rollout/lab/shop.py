"""The application that the lab deploys: it reports its release, and can be asked to answer slowly.

A release called `errors-…` answers an error to every twentieth request, one called `slow-…` takes a tenth of
a second more; both are healthy by their own page.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from rollout.app.wsgi import HealthPage

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def start() -> WSGIApplication:
    """The application of the node whose folder is the current one. Takes `START` seconds to return."""
    home = Path.cwd()
    release = (home / "current" / "VERSION").read_text().strip()
    text = f"shop {release} {os.environ['NODE']}\n".encode()

    asked = itertools.count(1)

    def shop(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].endswith("/slow"):
            time.sleep(float(parse_qs(environ["QUERY_STRING"])["seconds"][0]))
        if release.startswith("slow-"):
            time.sleep(0.1)
        broken = release.startswith("errors-") and next(asked) % 20 == 0
        status = "500 Internal Server Error" if broken else "200 OK"
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
        return [text]

    time.sleep(float(os.environ["START"]))
    return HealthPage(shop, file=str(home / "draining"), release=release)
