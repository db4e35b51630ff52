"""HAProxy's rings: what it logs of each request, as the runtime socket shows it.

A ring is read again and again as a whole: that costs HAProxy a millisecond for 8,000 lines. To be sent each
line as it comes (`-w`) costs it 200 µs or more a line; and a reader that waits keeps an old process alive,
and while it is slow, all other readers of the ring lose lines.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence

from rollout.adapters.haproxy.replies import is_message, require_success
from rollout.domain import Logged, Server, TimedAnswer

_RING = re.compile(r"^\s+(\S+)\s+: type=buffer,", re.MULTILINE)
_HAPROXYS_OWN = frozenset({"buf0", "dpapi"})
"""Rings that exist without any line in the configuration, and that hold no requests."""
_NAME = r"([\w.:\-\[\]]+)"
_HTTPLOG = re.compile(rf" {_NAME}/{_NAME} -?\d+/-?\d+/(-?\d+)/(-?\d+)/\+?-?\d+ -?\d+ ", re.ASCII)
"""Backend and server, then the times TR, Tw, Tc, Tr and Ta, then the status."""
_CLF = re.compile(rf' "{_NAME}" "{_NAME}" -?\d+ -?\d+ (-?\d+) (-?\d+) \+?-?\d+ ', re.ASCII)
"""The same in `option httplog clf`."""
_MOST = 2000
"""Lines that are parsed at once: of more, every second one, or every third, …"""
_MARK = 3
"""Lines by which the end of what was read before is found again."""


class Rings:
    """The rings of one load balancer. `ask` asks HAProxy a line; it raises LoadBalancerError."""

    def __init__(self, load_balancer: str, ask: Callable[[str], Awaitable[str]]) -> None:
        self._load_balancer = load_balancer
        self._ask = ask
        self._read: dict[str, str] = {}
        """The last lines of each ring that were read."""

    async def logged(self) -> Logged | None:
        """What was logged since the last call, as `LoadBalancer.logged` says."""
        names = _RING.findall(await self._ask("show events"))
        found = [await self._logged(name) for name in names if name not in _HAPROXYS_OWN]
        return max(found, key=lambda one: (len(one.answers), -one.lines), default=None)

    async def _logged(self, name: str) -> Logged:
        command = f"show events {name}"
        shown = await self._ask(command)
        if is_message(shown):
            require_success(self._load_balancer, command, shown)
        before = self._read.get(name, "")
        begin = shown.rfind(before) if before else -1
        new = shown[begin + len(before) :] if begin >= 0 else shown
        lines = [line for line in new.split("\n") if line]
        if lines:
            self._read[name] = "\n".join(lines[-_MARK:])
        some = lines[:: 1 + len(lines) // _MOST]
        return Logged(name, len(shown), len(lines), tuple(_answers(self._load_balancer, some)))


def _answers(load_balancer: str, lines: Sequence[str]) -> Iterator[TimedAnswer]:
    """The answers of servers among logged lines; what is no request, or got no answer, is left out.

    In a line, the client's address and HAProxy's own names stand before anything that a client can choose.
    """
    for line in lines:
        found = _HTTPLOG.search(line) or _CLF.search(line)
        if found is not None and (waited := int(found[4])) >= 0:
            yield TimedAnswer(Server(load_balancer, found[1], found[2]), max(0, int(found[3])) + waited)
