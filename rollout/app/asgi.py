"""The health page for ASGI applications (FastAPI, Starlette, Quart, …)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from rollout.app.page import Page

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class HealthPage:
    """An application that answers `path` with 200, or 404 while `file` exists, and passes the rest to `app`.

        app = HealthPage(app, file="/run/shop/draining", release="1.4.2")

    The body is `{"status": "ok", "release": "1.4.2"}` (or `"draining"`); `X-Release` has the release, too.
    """

    def __init__(
        self, app: Application, path: str = "/_status", file: str | None = None, release: str | None = None
    ) -> None:
        self._app = app
        self._page = Page(path, file, release)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._page.answers(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        answer = self._page.answer(scope["method"])
        headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})
