"""The application of `benchmarks.sites`: one node, as an ASGI application behind hypercorn.

`python -m benchmarks.site_app ADDRESS RELEASE_FILE LEADERS_FILE NAME [CERTIFICATE KEY]`
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

PORT, AGENT_PORT, PLAIN_PORT = 8000, 8001, 8002
"""Where the application serves, where its agent answers with a weight, and where it serves without TLS."""

Message = dict[str, Any]


class Application:
    """Answers with its name and release, as slowly as `?seconds=` says.

    `/health` reports the release; `/primary` is right only on a node that the leaders' file names.
    """

    def __init__(self, name: str, release: str, leaders: Path) -> None:
        self._name = name
        self._release = release
        self._leaders = leaders

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        status, body = 200, f"{self._name} {self._release}"
        if scope["path"] == "/health":
            body = json.dumps({"release": self._release})
        elif scope["path"] == "/primary" and self._name not in self._leaders.read_text().split():
            status = 503
        if scope["query_string"]:
            await asyncio.sleep(float(scope["query_string"].partition(b"=")[2]))
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})


async def _weight(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"75%\n")
    writer.close()


async def main(address: str, application: Application, *tls: str) -> None:
    config = Config()
    config.bind, config.insecure_bind = [f"{address}:{PORT}"], [f"{address}:{PLAIN_PORT}"]
    config.graceful_timeout = 0.0  # whatever runs when it is told to end is lost
    config.loglevel = "ERROR"
    if tls:
        config.certfile, config.keyfile = tls
    else:
        config.bind += config.insecure_bind
    agent = await asyncio.start_server(_weight, address, AGENT_PORT)
    async with agent:
        await serve(application, config)  # type: ignore[arg-type]


if __name__ == "__main__":
    address, release, leaders, name, *tls = sys.argv[1:]
    asyncio.run(main(address, Application(name, Path(release).read_text(), Path(leaders)), *tls))
