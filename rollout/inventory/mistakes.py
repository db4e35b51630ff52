"""Mistakes in an inventory, each with its place, in words for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

from rollout.errors import UsageError

KeyPath = tuple[str | int, ...]
"""The keys from the top of the inventory down to a value; numbers count a list's entries from 0."""

_SHOWN = 50
"""Mistakes that are shown at most."""
_LONGEST = 80
"""Characters of a quoted value that are shown at most."""


class Position(NamedTuple):
    """A place in a file. Lines and columns count from 1; columns are characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake. Without a position it concerns the whole file."""

    file: str
    position: Position | None
    path: KeyPath
    message: str

    @property
    def key(self) -> str:
        """The dotted key: `nodes.web1.host`, `load_balancers.lb1.backends[0]`; empty for the whole file."""
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return printable("".join(parts).removeprefix("."))

    def __str__(self) -> str:
        where = printable(self.file)
        if self.position:
            where += f":{self.position.line}:{self.position.column}"
        return ": ".join(part for part in (where, self.key, self.message) if part)


class InventoryError(UsageError):
    """The inventory cannot be used. `mistakes` are all that were found, in the order of the file."""

    def __init__(self, mistakes: Iterable[Mistake], *, hint: str | None = None) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.position or Position(0, 0)))
        lines = [str(mistake) for mistake in self.mistakes[:_SHOWN]]
        if len(self.mistakes) > _SHOWN:
            lines.append(f"and {len(self.mistakes) - _SHOWN} more")
        super().__init__("\n".join(lines), hint=hint)


def printable(text: str) -> str:
    """`text` with every character escaped that could move a terminal's cursor or be invisible."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def quoted(text: str) -> str:
    """`text` as a message shows it: in quotes, on one line, cut where it is long."""
    return f"'{printable(text[:_LONGEST])}{'…' if len(text) > _LONGEST else ''}'"


def nearest(word: str, allowed: Sequence[str]) -> str | None:
    """The word of `allowed` that `word` was probably meant to be; `None` if none is close."""
    close = get_close_matches(word.lower(), allowed, n=1)
    return close[0] if close else None
