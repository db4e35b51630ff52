"""What is sent to other machines, and what comes back: content, the end of a command, an HTTP answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Content:
    """What is sent to nodes: so many bytes, with their SHA-256 in hexadecimal. `pieces` gives all of them,
    each time from the beginning."""

    size: int
    sha256: str
    pieces: Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended: its exit status and the last lines that it printed, oldest first."""

    status: int
    tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, as much of it as a health page needs. Header names are lower case."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)
