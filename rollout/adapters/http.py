"""HTTP, as health pages are asked: each time on a connection of its own.

A kept connection would go on to the old process after a restart.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator

import httpx

from rollout.domain import Answer
from rollout.errors import ConnectionRefused, ProbeFailed

_LARGEST_BODY = 1_000_000
"""Bytes: more than that is no health page."""
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, LookupError, ValueError, ExceptionGroup)
"""The last three come from below httpx: charsets that are none, names that cannot be, ports beyond 65535."""


class HttpProbe:
    """Implements `Probe`. Proxies of the environment are not used: a node is asked directly."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            transport=transport,
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"User-Agent": "rollout", "Connection": "close"},
            trust_env=False,
        )

    async def request(self, method: str, url: str, *, timeout: float) -> Answer:
        try:
            # httpx's own timeout is for each piece: a page that comes in drips would take for ever.
            async with (
                asyncio.timeout(timeout),
                self._client.stream(method, url, timeout=timeout) as response,
            ):
                body = b""
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _LARGEST_BODY:
                        break
                return Answer(
                    status=response.status_code,
                    body=body.decode(response.encoding or "utf-8", errors="replace"),
                    headers={name.lower(): value for name, value in response.headers.items()},
                )
        except (TimeoutError, httpx.TimeoutException):
            raise ProbeFailed(f"no answer within {timeout:g} s") from None
        except _FAILURES as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        await self._client.aclose()


def _translated(error: Exception) -> ProbeFailed:
    causes = list(_causes(error))
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return ConnectionRefused("connection refused")
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return ProbeFailed(f"TLS: {error}")
    told = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
    return ProbeFailed(str(told) or type(told).__name__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that led to it; where a name has several addresses, what each of them said."""
    yield error
    for cause in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _causes(cause)
    if cause := error.__cause__ or error.__context__:
        yield from _causes(cause)
