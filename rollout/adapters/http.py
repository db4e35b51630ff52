"""HTTP for health pages: each request on its own connection.

A kept connection would still lead to the old process after a restart.
"""

from __future__ import annotations

import asyncio
import functools
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx

from rollout.adapters.closed_ports import ClosedPorts
from rollout.domain import Answer
from rollout.errors import NobodyListens, RequestFailed

_CA_HINT = "name a PEM file with the certificate of your own authority in health.ca, or in SSL_CERT_FILE"
_LARGEST_BODY = 1_000_000
"""Bytes: a health page has fewer."""
FAILURES = (httpx.HTTPError, httpx.InvalidURL, LookupError, ValueError, OSError, ExceptionGroup)
"""The last four come from below httpx: unknown charsets, impossible host names, TLS's word that it misses a
certificate, ports above 65535."""


class HttpxClient:
    """Implements `HttpClient`. It ignores proxies set in the environment: a node is asked directly."""

    def __init__(self, socket: Path | None = None, *, ca: Path | None = None) -> None:
        """`socket` is the path of a UNIX socket to which all requests go, whatever their URL. `ca` is a file
        of certificate authorities that are trusted, besides the usual ones."""
        self._socket = socket
        self._ca = ca
        self._clients: dict[bool, httpx.AsyncClient] = {}
        self._closed_ports = ClosedPorts()

    async def request(self, method: str, url: str, *, timeout: float) -> Answer:
        try:
            # httpx's own timeout is for each piece: a page that comes in drips would take for ever.
            async with asyncio.timeout(timeout):
                await self._closed_ports.require_open(url)
                async with self._client(url).stream(method, url, timeout=timeout) as response:
                    return await _answer(response)
        except (TimeoutError, httpx.TimeoutException):
            raise RequestFailed(f"no answer within {timeout:g} s") from None
        except FAILURES as error:
            failure = translated(error)
            if isinstance(failure, NobodyListens) and self._socket is None:
                self._closed_ports.note(url)
            raise failure from error

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()

    def _client(self, url: str) -> httpx.AsyncClient:
        """A client that follows no redirects: a request without TLS stays without TLS."""
        secure = url.lower().startswith("https:")
        if secure not in self._clients:
            transport = httpx.AsyncHTTPTransport(
                verify=_trusted(self._ca) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
                trust_env=False,
                limits=httpx.Limits(max_keepalive_connections=0),
                uds=None if self._socket is None else str(self._socket),
            )
            headers = {"User-Agent": "rollout", "Connection": "close"}
            self._clients[secure] = httpx.AsyncClient(transport=transport, headers=headers, trust_env=False)
        return self._clients[secure]


async def _answer(response: httpx.Response) -> Answer:
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


@functools.cache
def _trusted(ca: Path | None) -> ssl.SSLContext:
    """The trusted certificates: those of httpx, of this machine, of the environment, and of `ca`.

    They take 50 ms to load, and most health pages need none. Raises RequestFailed.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    files = {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
    files["health.ca"] = None if ca is None else str(ca)
    for name, place in files.items():
        if place:
            _trust(context, name, place)
    return context


def _trust(context: ssl.SSLContext, name: str, place: str) -> None:
    """Trust the certificates in a file or folder. Raises RequestFailed, which calls it `name`."""
    try:
        if os.path.isdir(place):
            context.load_verify_locations(capath=place)
        else:
            context.load_verify_locations(cafile=place)
    except OSError as error:  # an SSLError, too
        reason = error.strerror if isinstance(error, FileNotFoundError) else "it holds no certificate"
        raise RequestFailed(f"TLS: {name} {place}: {reason}", hint=_CA_HINT) from error


def translated(error: Exception) -> RequestFailed:
    """The port's error for one of `FAILURES`."""
    behind = list(causes(error))
    if any(isinstance(cause, ConnectionRefusedError) for cause in behind):
        return NobodyListens("connection refused")
    if any(isinstance(cause, ssl.SSLError) for cause in behind):
        unknown = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in behind)
        return RequestFailed(f"TLS: {error}", hint=_CA_HINT if unknown else None)
    first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
    return RequestFailed(str(first) or type(first).__name__)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all of its causes; if a name has several addresses, the errors of each."""
    yield error
    for cause in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from causes(cause)
    if cause := error.__cause__ or error.__context__:
        yield from causes(cause)
