"""Values that a program prints over several lines, such as base64, of which a line has 76 characters."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator

from rollout.masks import MASK

_SHORTEST = 8
"""Characters of a value at the edge of a line by which it is known. Fewer could be anything."""


class Folds:
    """Finds pieces of values that begin or end with a line."""

    def __init__(self, forms: Collection[str]) -> None:
        self._forms = [form for form in forms if len(form) > _SHORTEST]

    @functools.cached_property
    def _pieces(self) -> frozenset[str]:
        return frozenset(
            form[at : at + _SHORTEST] for form in self._forms for at in range(len(form) - _SHORTEST + 1)
        )

    def masked(self, line: str) -> str:
        """`line` without the end of a value at its beginning, the beginning of one at its end, and all of it
        if it is the middle of one."""
        text = line.strip()
        if text[:_SHORTEST] in self._pieces:
            text = self._without_end(text)
        if text[-_SHORTEST:] in self._pieces:
            text = self._without_beginning(text)
        return line.replace(line.strip(), text) if text != line.strip() else line

    def _without_end(self, text: str) -> str:
        """`text` without what a value ends with, or nothing of it if all of it is in a value."""
        if any(text in form for form in self._forms):
            return MASK
        ends = [
            text[: at + _SHORTEST]
            for form in self._forms
            for at in occurrences(form[-_SHORTEST:], text[: len(form)])
            if form.endswith(text[: at + _SHORTEST])
        ]
        return MASK + text.removeprefix(max(ends, key=len)) if ends else text

    def _without_beginning(self, text: str) -> str:
        """`text` without what a value begins with."""
        ends = ((form, text[-len(form) :]) for form in self._forms)
        begun = [
            end[at:]
            for form, end in ends
            for at in occurrences(form[:_SHORTEST], end)
            if form.startswith(end[at:])
        ]
        return text.removesuffix(max(begun, key=len)) + MASK if begun else text


def occurrences(piece: str, text: str) -> Iterator[int]:
    """Where `piece` stands in `text`."""
    at = text.find(piece)
    while at >= 0:
        yield at
        at = text.find(piece, at + 1)
