"""Ports on which nobody listens yet: a bare connection finds that out, at a tenth of what a request costs.

An application that starts is asked thirty times a second, and a hundred may start at once.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


class ClosedPorts:
    """The ports that refused the last request, by the URL that was asked."""

    def __init__(self) -> None:
        self._closed: dict[str, tuple[str, int]] = {}

    def note(self, url: str) -> None:
        """Note that the port of `url` refused a request."""
        parts = urlsplit(url)
        self._closed[url] = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]

    async def require_open(self, url: str) -> None:
        """Raises ConnectionRefusedError if the port refused the last request to `url`, and still does."""
        if url not in self._closed:
            return
        try:
            host, port = self._closed[url]
            transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port)
            transport.close()
        except ConnectionRefusedError:
            raise
        except (OSError, UnicodeError):
            pass  # the request itself says what is wrong
        self._closed.pop(url, None)
