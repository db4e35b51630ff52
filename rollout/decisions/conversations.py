"""Which connections of a node may carry a request, by what the node's kernel shows of them (`ss -tni`).

HAProxy keeps connections for later requests, so a drained node still has some. On one that carries a
request, the client spoke last. On one that HAProxy only keeps, the node spoke last, and nothing moves any
more. An answer that pauses and a tunnel that is silent look the same, so the silence must be longer than any
pause that was seen, and a connection that was silent long before the drain counts as a tunnel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

_MOMENT = 1.5
"""Seconds of silence after the node spoke, by which a connection is taken for one that HAProxy keeps."""
_PAUSES = 1.25
"""How many times the longest silence after which somebody spoke again a silence must last."""
_MARGIN = 0.5
"""Seconds by which it must be longer than the longest time that an answer took, if one may be due."""
_KEPT = 60.0
"""Seconds for which HAProxy keeps a connection unused while the node is in rotation, at most: every 5 s it
closes half of those that it does not need, and those of single clients end with `timeout http-keep-alive`."""
_DELAYED_ACK = 250
"""Milliseconds in which a kernel acknowledges what it received, at the latest."""
_HANDSHAKE = 3
"""Segments with data that the client of a TLS connection sends up to its first request."""
_FIELD = re.compile(r"(\w+):(\d+)\b")


class Speaker(Enum):
    """Who spoke last on a connection."""

    CLIENT = auto()
    NODE = auto()
    UNCLEAR = auto()
    """The kernel's clock is too coarse to tell, or the node's last word may belong to a TLS handshake."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An established connection. Times are in milliseconds before it was looked at."""

    shown: str
    """Its line, as `ss` prints it: the bytes in both queues and the addresses of both ends."""
    known: bool
    """Whether the kernel told more than that line."""
    in_queues: bool
    """Whether bytes wait to be read, sent or acknowledged."""
    last_sent: int
    last_received: int
    last_acknowledged: int
    """Since the client acknowledged anything."""
    sent: int
    """Bytes."""
    received: int
    """Bytes."""
    segments: int
    """Segments with data that came from the client."""

    @property
    def ends(self) -> str:
        """The addresses of both ends."""
        return " ".join(self.shown.split()[2:4])

    @property
    def silence(self) -> float:
        """Seconds for which nobody has said anything."""
        return min(self.last_sent, self.last_received) / 1000

    @property
    def speaker(self) -> Speaker:
        """Who spoke last."""
        if self.last_received < self.last_sent:
            return Speaker.CLIENT
        if self.sent == 0:
            return Speaker.CLIENT if self.received else Speaker.NODE
        if self.segments == 1:
            return Speaker.NODE  # the only question came before the node's words
        acknowledged_alone = 0 < self.last_sent - self.last_acknowledged <= _DELAYED_ACK
        if self.segments <= _HANDSHAKE or (self.last_sent == self.last_received and not acknowledged_alone):
            return Speaker.UNCLEAR
        return Speaker.NODE


def parse_connections(lines: Iterable[str]) -> list[Connection]:
    """The connections in what `ss -Htni` prints: a line for each, and an indented line about it."""
    rows: list[tuple[str, list[str]]] = []
    for line in lines:
        if line[:1].isspace() and rows:
            rows[-1][1].append(line)
        elif line.strip():
            rows.append((line.strip(), []))
    return [_connection(shown, " ".join(about)) for shown, about in rows]


def _connection(shown: str, about: str) -> Connection:
    told = {name: int(number) for name, number in _FIELD.findall(about)}
    # What is zero is not printed.
    return Connection(
        shown=shown,
        known="rto" in told,
        in_queues=shown.split()[:2] != ["0", "0"] or bool(told.get("unacked") or told.get("notsent")),
        last_sent=told.get("lastsnd", 0),
        last_received=told.get("lastrcv", 0),
        last_acknowledged=told.get("lastack", 0),
        sent=told.get("bytes_sent", told.get("bytes_acked", 0)),
        received=told.get("bytes_received", 0),
        segments=told.get("data_segs_in", 0),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """A connection as it was seen last."""

    connection: Connection
    spoken: float
    """When anybody spoke last, in seconds by the clock of the looks."""
    speaker: Speaker
    gap: float = 0.0
    """The longest silence, in seconds, after which the client spoke again."""
    tunnel: bool = False
    """Whether it was silent for too long to be one that HAProxy keeps for later requests."""


@dataclass(slots=True)
class Conversations:
    """What was said on the connections of a node, look after look."""

    _seen: dict[str, _Seen] = field(default_factory=dict)
    _looked: bool = False
    _pause: float = 0.0
    """The longest silence, in seconds, after which the node went on unasked: in an answer, or a tunnel."""
    _answer: float = 0.0
    """The longest time, in seconds, for which a client was seen to wait for the node."""

    def look(self, connections: Sequence[Connection], now: float) -> list[Connection]:
        """The connections that may carry a request. `now` is in seconds, by a clock that never stands
        still.

        The first look is to be made while the node is still in rotation, or has just left it.
        """
        self._seen = {each.ends: self._follow(each, now) for each in connections}
        self._looked = True
        return [seen.connection for seen in self._seen.values() if self._may_be_busy(seen)]

    def _follow(self, now_seen: Connection, now: float) -> _Seen:
        spoken = now - now_seen.silence
        before = self._seen.get(now_seen.ends)
        if before is None or now_seen.sent < before.connection.sent:
            tunnel = not self._looked and now_seen.silence > _KEPT
            seen = _Seen(now_seen, spoken, now_seen.speaker, tunnel=tunnel)
        else:
            seen = self._compare(before, now_seen, spoken)
        if seen.speaker is Speaker.CLIENT:
            self._answer = max(self._answer, now_seen.last_received / 1000)
        return seen

    def _compare(self, before: _Seen, now_seen: Connection, spoken: float) -> _Seen:
        asked = now_seen.received > before.connection.received
        told = now_seen.sent > before.connection.sent
        silence = spoken - before.spoken
        speaker, gap = now_seen.speaker, before.gap
        if asked:
            if before.speaker is not Speaker.CLIENT:
                gap = max(gap, silence)
        elif told:
            speaker = Speaker.NODE
            if before.speaker is Speaker.NODE:
                self._pause = max(self._pause, silence)
            else:
                self._answer = max(self._answer, silence)
        elif before.speaker is Speaker.NODE:
            speaker = Speaker.NODE
        return _Seen(now_seen, spoken, speaker, gap, before.tunnel)

    def _may_be_busy(self, seen: _Seen) -> bool:
        connection = seen.connection
        if not connection.known or connection.in_queues or seen.tunnel or seen.speaker is Speaker.CLIENT:
            return True
        answer = self._answer + _MARGIN if seen.speaker is Speaker.UNCLEAR else 0.0
        return connection.silence < max(_MOMENT, _PAUSES * self._pause, _PAUSES * seen.gap, answer)
