"""The tables of HAProxy's replies: rows with named columns."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter

Row = tuple[str, ...]
"""The fields of one line, those of `_CLOCKS` aside."""

_CLOCKS = frozenset(
    {"lastchg", "lastsess", "downtime", "check_duration", "agent_duration", "srv_time_since_last_change"}
)
"""Columns that change although nothing happens. Without them, a row is as before where its server is."""


class Columns:
    """The columns of a table, by its header. Raises ValueError where that is none."""

    def __init__(self, header: Sequence[str]) -> None:
        places = [place for place, name in enumerate(header) if name not in _CLOCKS]
        if len(places) < 2:
            raise ValueError("a table without a header")
        self._width = len(header)
        self._kept: Callable[[Sequence[str]], Row] = itemgetter(*places)
        self._names = self._kept(header)
        self._places = {name: place for place, name in enumerate(self._names)}

    def rows(self, lines: Iterable[Sequence[str]]) -> Iterator[Row]:
        """The rows. Raises ValueError for a line that has more fields or fewer than the header."""
        for line in lines:
            if len(line) != self._width:
                raise ValueError(f"{len(line)} fields in {self._width} columns")
            yield self._kept(line)

    def getter(self, *names: str) -> Callable[[Row], Row]:
        """A function that gives two fields or more of a row. Raises KeyError for a column that is missing."""
        return itemgetter(*(self._places[name] for name in names))

    def fields(self, row: Row) -> dict[str, str]:
        """The fields of a row by the names of their columns."""
        return dict(zip(self._names, row, strict=True))


@functools.lru_cache(maxsize=16)
def columns(header: str, separator: str) -> Columns:
    """The columns of a header: the same object for the same text. Raises ValueError."""
    return Columns(header.split(separator))
