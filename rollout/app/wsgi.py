"""The health page for WSGI applications (Flask, Django, Pyramid, …)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rollout.app.page import Page

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class HealthPage:
    """An application that answers `path` with 200, or 404 while `file` exists, and passes the rest to `app`.

        application = HealthPage(application, file="/run/shop/draining", release="1.4.2")

    The body is `{"status": "ok", "release": "1.4.2"}` (or `"draining"`); `X-Release` has the release, too.
    """

    def __init__(
        self,
        app: WSGIApplication,
        path: str = "/_status",
        file: str | None = None,
        release: str | None = None,
    ) -> None:
        self._app = app
        self._page = Page(path, file, release)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if not self._page.answers(method, environ.get("PATH_INFO", "")):
            return self._app(environ, start_response)
        answer = self._page.answer(method)
        start_response(f"{answer.status} {answer.reason}", answer.headers)
        return [answer.body]


def health_page(
    path: str = "/_status", file: str | None = None, release: str | None = None
) -> WSGIApplication:
    """An application that is the health page and nothing else, to run beside an application that is not
    WSGI."""
    return HealthPage(_not_found, path, file, release)


def _not_found(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    body = b"" if environ["REQUEST_METHOD"] == "HEAD" else b"Not Found\n"
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "10")])
    return [body]
