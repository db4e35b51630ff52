"""An application for gunicorn and uvicorn: `/_status`, answers after a while, and answers in parts.

Its page answers 404 while the file DRAIN of its environment exists. `/?delay=0.5` answers half a second
later, `/stream?parts=3&pause=0.5` sends three parts, with a pause after each.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs


def wsgi(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The application as gunicorn runs it."""
    query = parse_qs(environ["QUERY_STRING"])
    start_response(f"{_status(environ['PATH_INFO'])} -", [("Content-Type", "text/plain")])
    time.sleep(_number(query, "delay"))
    return _parts(query)


def _parts(query: Mapping[str, list[str]]) -> Iterator[bytes]:
    for _ in range(int(_number(query, "parts"))):
        yield b"part"
        time.sleep(_number(query, "pause"))
    yield b"end"


async def asgi(
    scope: Mapping[str, Any],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """The application as uvicorn runs it."""
    query = parse_qs(scope["query_string"].decode())
    await asyncio.sleep(_number(query, "delay"))
    await send({"type": "http.response.start", "status": _status(scope["path"])})
    for _ in range(int(_number(query, "parts"))):
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        await asyncio.sleep(_number(query, "pause"))
    await send({"type": "http.response.body", "body": b"end"})


def _status(path: str) -> int:
    return 404 if path == "/_status" and os.path.exists(os.environ["DRAIN"]) else 200


def _number(query: Mapping[str, list[str]], name: str) -> float:
    return float(query.get(name, ["0"])[0])
