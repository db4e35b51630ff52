"""A name server that HAProxy's resolvers ask, with whatever addresses a test gives."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from tests.support.loopback import own_address

_HEADER = 12
"""Bytes before a question."""
_AN_ADDRESS = 1
"""The type of a question for an IPv4 address."""


class Resolver(asyncio.DatagramProtocol):
    """Answers each question for an IPv4 address with `addresses`, whatever the name, and others with none."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = list(addresses)
        self.host = own_address()
        self.port = 5353
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", _HEADER) + 5  # the name, its type and its class
        (kind,) = struct.unpack(">H", data[end - 4 : end - 2])
        found = self.addresses if kind == _AN_ADDRESS else []
        head = data[:2] + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0)
        name = b"\xc0" + bytes([_HEADER])
        rows = (name + struct.pack(">HHIH", 1, 1, 1, 4) + socket.inet_aton(address) for address in found)
        self._transport.sendto(head + data[_HEADER:end] + b"".join(rows), addr)

    def section(self, name: str = "dns") -> tuple[str, ...]:
        """The lines of HAProxy's section `resolvers NAME`, quick in everything."""
        return (
            f"resolvers {name}",
            f"nameserver test {self.host}:{self.port}",
            "timeout resolve 100ms",
            "timeout retry 100ms",
            "hold valid 100ms",
            "hold obsolete 100ms",
        )


@asynccontextmanager
async def resolver(addresses: Sequence[str]) -> AsyncIterator[Resolver]:
    """A running name server; stopped at the end."""
    made = Resolver(addresses)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: made, (made.host, made.port))
    try:
        yield made
    finally:
        transport.close()
