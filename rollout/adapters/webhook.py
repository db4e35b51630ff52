"""Messages to chat and webhooks: JSON, posted over HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from rollout.adapters.http import FAILURES, translated
from rollout.errors import RequestFailed

_PAUSE = 0.5
"""Seconds until the second try, where there was no connection."""


async def post(url: str, message: dict[str, Any], *, timeout: float) -> None:
    """Post a message, by the proxies of the environment if there are any. `timeout` is in seconds.

    Raises RequestFailed, which does not show the URL.
    """
    try:
        async with asyncio.timeout(timeout), _client(timeout) as client:
            try:
                status = await _post(client, url, message)
            except httpx.ConnectError:
                await asyncio.sleep(_PAUSE)
                status = await _post(client, url, message)
    except (TimeoutError, httpx.TimeoutException):
        raise RequestFailed(f"no answer within {timeout:g} s") from None
    except FAILURES as error:
        raise translated(error) from error
    if not httpx.codes.is_success(status):
        raise RequestFailed(f"answered {status}")


def _client(timeout: float) -> httpx.AsyncClient:
    try:
        return httpx.AsyncClient(timeout=timeout, headers={"User-Agent": "rollout"})
    except (ImportError, ValueError, httpx.InvalidURL):  # its text would show the proxy's password
        raise RequestFailed("the proxy set in the environment cannot be used") from None
    except OSError as error:  # SSL_CERT_FILE names no certificates
        raise RequestFailed(f"TLS: {error}") from None


async def _post(client: httpx.AsyncClient, url: str, message: dict[str, Any]) -> int:
    headers = {"Content-Type": "application/json"}
    async with client.stream("POST", url, content=json.dumps(message), headers=headers) as answer:
        return answer.status_code
