"""Replies to `show sess`. They are for people and differ by version: lines that make no sense are skipped."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from rollout.domain import Server, Session

_LINE = re.compile(
    r"^(0x[0-9a-f]+): proto=\S+ src=(\S+) fe=(\S+) be=(\S+) srv=(\S+) .*?\bage=([0-9dhms]+)\b", re.MULTILINE
)
_AGE = re.compile(r"(\d+)([dhms])")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_STATUS = re.compile(r"\bstatus=(-?\d+)\b")
_SWITCHING_PROTOCOLS = 101


def parse_sessions(reply: str, servers: Collection[Server]) -> Iterator[tuple[str, Session]]:
    """The sessions on `servers`, each with its id in HAProxy."""
    by_path = {server.path: server for server in servers}
    for identity, source, frontend, backend, name, age in _LINE.findall(reply):
        server = by_path.get(f"{backend}/{name}")
        if server is not None:
            seconds = sum(int(number) * _SECONDS[unit] for number, unit in _AGE.findall(age))
            yield identity, Session(server, source, frontend, seconds)


def what_it_does(reply: str) -> str:
    """The activity of a session, by its details in `reply`; empty if they do not say."""
    if "mode=tcp" in reply:
        return "TCP"
    status = _STATUS.search(reply)
    if status is None:
        return ""
    if int(status[1]) == _SWITCHING_PROTOCOLS:
        return "websocket"
    return "waits for its answer" if int(status[1]) <= 0 else "is being answered"
