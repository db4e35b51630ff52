"""HAProxy's rings: what it logs about each request, as the runtime socket shows it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing

from rollout.adapters.haproxy.replies import SEVERITY
from rollout.adapters.haproxy.transport import Transport
from rollout.domain import Ring, Server, TimedAnswer
from rollout.errors import NoStream

_LINES_PER_SECOND = 500
"""Logged lines that are read in each second: one costs HAProxy 20 to 40 µs, for a wake-up and a write."""
_LARGE = 256_000
"""Bytes of a ring that are read to see what it holds."""

_RING = re.compile(r"^\s+(\S+)\s+: type=buffer,", re.MULTILINE)
_HAPROXYS_OWN = frozenset({"buf0", "dpapi"})
"""Rings that exist without any line in the configuration, and that hold no requests."""
_NAME = rb"([\w.:\-\[\]]+)"
_HTTPLOG = re.compile(rb" %b/%b -?\d+/-?\d+/(-?\d+)/(-?\d+)/\+?-?\d+ -?\d+ " % (_NAME, _NAME))
"""Backend and server, then the times TR, Tw, Tc, Tr and Ta, then the status."""
_CLF = re.compile(rb' "%b" "%b" -?\d+ -?\d+ (-?\d+) (-?\d+) \+?-?\d+ ' % (_NAME, _NAME))
"""The same in `option httplog clf`."""
_DROPPED = re.compile(rb"(?:^| )(\d+) events? dropped\x00?$")


class Rings:
    """The rings of one load balancer. `process` gives HAProxy's process as the last reading showed it."""

    def __init__(self, load_balancer: str, transport: Transport, process: Callable[[], object]) -> None:
        self._load_balancer = load_balancer
        self._transport = transport
        self._process = process

    async def best(self, listed: str) -> Ring | None:
        """The ring to which requests are logged, among those that `show events` has `listed`."""
        names = [name for name in _RING.findall(listed) if name not in _HAPROXYS_OWN]
        rings = [ring for name in names if (ring := await self._latest(name)) is not None]
        return max(rings, key=lambda ring: (len(ring.answers), not ring.unreadable), default=None)

    async def answers(self, ring: str) -> AsyncGenerator[Sequence[TimedAnswer], None]:
        """The answers from now on, as `LoadBalancer.answers` says."""
        process, clock = self._process(), asyncio.get_running_loop().time
        while process == self._process():
            until, left = clock() + 1, _LINES_PER_SECOND
            async with aclosing(self._lines(f"show events {ring} -w -n")) as pieces:
                async for lines in pieces:
                    if lost := dropped(lines):
                        raise self._must_stop(ring, lost)
                    yield tuple(parse_answers(self._load_balancer, lines))
                    if clock() >= until:
                        until, left = clock() + 1, _LINES_PER_SECOND
                    left -= len(lines)
                    if left <= 0 or process != self._process():
                        break
                else:
                    return
            await asyncio.sleep(until - clock())

    async def _latest(self, name: str) -> Ring | None:
        """A ring with its oldest lines, but not all of a large one; `None` if it may not be read."""
        seen, read = list[bytes](), 0
        async with aclosing(self._lines(f"show events {name}")) as pieces:
            async for lines in pieces:
                seen += lines
                read += sum(map(len, lines))
                if not lines or read > _LARGE:
                    break
        if any(line.startswith(b"[3]: ") for line in seen):
            return None
        return Ring(name, len(seen), tuple(parse_answers(self._load_balancer, seen)))

    async def _lines(self, command: str) -> AsyncGenerator[list[bytes], None]:
        """The lines of an answer as they come, whole; none at all after a second of silence."""
        rest = b""
        async with aclosing(self._transport.stream(f"{SEVERITY};{command}\n".encode())) as pieces:
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                yield [line for line in lines if line]

    def _must_stop(self, ring: str, lost: int) -> NoStream:
        some = f"{lost:,} lines" if lost > 1 else "a line"
        message = f"HAProxy dropped {some} of ring {ring} while it was read, so rollout stopped reading it"
        return NoStream(self._load_balancer, message, hint="give the ring a larger `size`")


def parse_answers(load_balancer: str, lines: list[bytes]) -> Iterator[TimedAnswer]:
    """The answers of servers among logged lines; what is no request, or got no answer, is left out.

    The address of the client and HAProxy's own names stand before anything that a client can choose.
    """
    for line in lines:
        found = _HTTPLOG.search(line) or _CLF.search(line)
        if found is not None and (waited := int(found[4])) >= 0:
            server = Server(load_balancer, found[1].decode(), found[2].decode())
            yield TimedAnswer(server, max(0, int(found[3])) + waited)


def dropped(lines: list[bytes]) -> int:
    """How many lines HAProxy says that it did not keep, since a reader of the ring was too slow."""
    return sum(int(found[1]) for line in lines if (found := _DROPPED.search(line)))
