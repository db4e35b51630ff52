"""Exchanges with other machines: the content sent, the end of a command, an HTTP answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that are sent to nodes."""

    size: int
    """In bytes."""
    sha256: str
    """In hexadecimal."""
    pieces: Callable[[], AsyncIterator[bytes]]
    """Gives all of the bytes, from the beginning each time it is called. They may raise SourceError."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The end of a command."""

    status: int
    """Exit status; 128 and the number of the signal, if one ended it."""
    tail: tuple[str, ...] = ()
    """The last lines that it printed, oldest first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: str
    """Decoded; at most the first megabyte or so."""
    headers: dict[str, str] = field(default_factory=dict)
    """By name, in lower case."""
