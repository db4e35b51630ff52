"""Requests to the API of GitHub or GitLab."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx

from rollout.adapters.http import FAILURES, translated
from rollout.errors import RequestFailed

_LONGEST = 200
"""Characters of what the API says about a failure."""


async def call(
    method: str, url: str, headers: Mapping[str, str], body: Mapping[str, Any], *, timeout: float
) -> dict[str, Any]:
    """Send a request with a body of JSON; return that of the answer. `timeout` is in seconds.

    No redirect is followed, since it would take the token along. Raises RequestFailed, which shows neither
    the URL nor a header.
    """
    try:
        async with asyncio.timeout(timeout), httpx.AsyncClient(timeout=timeout) as client:
            answer = await client.request(
                method, url, content=json.dumps(body), headers={**headers, "Content-Type": "application/json"}
            )
    except (TimeoutError, httpx.TimeoutException):
        raise RequestFailed(f"no answer within {timeout:g} s") from None
    except FAILURES as error:
        raise translated(error) from None
    except (ImportError, ValueError, httpx.InvalidURL, OSError):  # their texts may show what must not be seen
        raise RequestFailed("the request cannot be sent") from None
    document = _document(answer)
    if not answer.is_success:
        said = document.get("message")
        raise RequestFailed(f"answered {answer.status_code}" + (f": {said!s:.{_LONGEST}}" if said else ""))
    return document


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
