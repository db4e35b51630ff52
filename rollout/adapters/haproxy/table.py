"""The tables of HAProxy's replies: rows with named columns, of which only those are kept that are read.

Columns that nobody reads cost time, and some of them, such as the seconds since a change, change although
nothing happens: without them, a row is as before where its server is.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter

Row = tuple[str, ...]
"""The fields of one line that are kept."""

_STATISTICS = frozenset(
    {
        *("pxname", "svname", "iid", "sid", "type", "mode", "status", "bck", "check_status", "tracked"),
        *("weight", "check_health", "agent_status", "agent_health", "addr"),
        *("scur", "qcur", "stot", "used_conn_cur", "srv_icur", "rtime", "chkfail"),
        *("econ", "wretr", "wredis", "cli_abrt", "srv_abrt"),
        *("hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other"),
    }
)
"""The columns of `show stat` that are read."""
_UNREAD_STATES = frozenset({"srv_time_since_last_change"})
"""The columns of `show servers state` that are not read."""
_LONGEST = 100_000
"""Characters of a line: HAProxy's have some hundreds."""


class Columns:
    """The columns of a table, by its header. Raises ValueError where that is none."""

    def __init__(self, header: Sequence[str], kept: Callable[[str], bool]) -> None:
        places = [place for place, name in enumerate(header) if kept(name)]
        if len(places) < 2:
            raise ValueError("a table without a header")
        self._width = len(header)
        self._kept: Callable[[Sequence[str]], Row] = itemgetter(*places)
        self._names = self._kept(header)
        self._places = {name: place for place, name in enumerate(self._names)}

    def row(self, fields: Sequence[str]) -> Row:
        """The row of a line. Raises ValueError where that has more fields than the header, or fewer."""
        if len(fields) != self._width:
            raise ValueError(f"{len(fields)} fields in {self._width} columns")
        return self._kept(fields)

    def getter(self, *names: str) -> Callable[[Row], Row]:
        """A function that gives two fields or more of a row. Raises KeyError for a column that is missing."""
        return itemgetter(*(self._places[name] for name in names))

    def getter_of_some(self, *names: str) -> Callable[[Row], Row]:
        """The same of those columns that are there: two or more."""
        return self.getter(*(name for name in names if name in self._places))

    def fields(self, row: Row) -> dict[str, str]:
        """The fields of a row by the names of their columns."""
        return dict(zip(self._names, row, strict=True))


def statistics(table: str) -> tuple[Columns, list[Row]]:
    """The columns and rows of what `show stat` answers. Raises ValueError, csv.Error."""
    header, *lines = table.removeprefix("# ").split("\n")
    columns = _statistics_columns(header)
    if '"' in table or "\r" in table:
        return columns, [columns.row(line) for line in csv.reader(lines)]
    return columns, [_row(columns, line, ",") for line in lines]


def states(table: str, beginnings: Collection[str] | None = None) -> tuple[Columns, list[Row]]:
    """The columns and rows of what `show servers state` answers; of those rows alone that have one of these
    `beginnings`, where there are any. Raises ValueError."""
    table = table.removeprefix("1\n# ")
    if beginnings is None:
        header, *lines = table.split("\n")
    else:
        header = table.partition("\n")[0]
        lines = [line for beginning in beginnings if (line := _line(table, f"\n{beginning} "))]
    columns = _states_columns(header)
    return columns, [_row(columns, line, " ") for line in lines]


def _line(table: str, beginning: str) -> str:
    """The first line of a table with this beginning; empty if there is none."""
    begin = table.find(beginning) + 1
    return table[begin:].partition("\n")[0] if begin else ""


@functools.lru_cache(maxsize=16384)
def _row(columns: Columns, line: str, separator: str) -> Row:
    """The row of a line. It is remembered: looks are so close together that most lines come again."""
    if len(line) > _LONGEST:
        raise ValueError(f"a line of {len(line)} characters")
    return columns.row(line.split(separator))


@functools.lru_cache(maxsize=4)
def _statistics_columns(header: str) -> Columns:
    """The columns of a header: the same object for the same header."""
    return Columns(header.split(","), _STATISTICS.__contains__)


@functools.lru_cache(maxsize=4)
def _states_columns(header: str) -> Columns:
    return Columns(header.split(" "), lambda name: name not in _UNREAD_STATES)
