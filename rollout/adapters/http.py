"""HTTP, as health pages are asked: each time on a connection of its own.

A kept connection would go on to the old process after a restart.
"""

from __future__ import annotations

import ssl

import httpx

from rollout.domain import Answer
from rollout.errors import ConnectionRefused, ProbeFailed

_LARGEST_BODY = 1_000_000
"""Bytes: more than that is no health page."""


class HttpProbe:
    """Implements `Probe`. Proxies of the environment are not used: a node is asked directly."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"User-Agent": "rollout", "Connection": "close"},
            trust_env=False,
        )

    async def request(self, method: str, url: str, *, timeout: float) -> Answer:
        try:
            async with self._client.stream(method, url, timeout=timeout) as response:
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
        except httpx.TimeoutException:
            raise ProbeFailed(f"no answer within {timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, LookupError) as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        await self._client.aclose()


def _translated(error: Exception) -> ProbeFailed:
    causes: list[BaseException] = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return ConnectionRefused("connection refused")
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return ProbeFailed(f"TLS: {error}")
    return ProbeFailed(str(error) or type(error).__name__)
