"""Patterns that find any of many texts in a time that does not grow with their number."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import groupby


def any_of(texts: Iterable[str]) -> str:
    """A pattern for the longest of `texts`. What several begin with stands in it once."""
    return _any_of(sorted(set(texts)), 0)


def begins(texts: Collection[str]) -> str:
    """A pattern that looks whether any of `texts` could begin here: it costs one comparison."""
    letters = {letter for text in texts for letter in (text[0], text[0].lower(), text[0].upper())}
    return f"(?=[{''.join(map(re.escape, sorted(letter for letter in letters if len(letter) == 1)))}])"


def _any_of(texts: list[str], at: int) -> str:
    """A pattern for what follows position `at` of the texts, which are sorted and alike before it."""
    branches = []
    for _, group in groupby((text for text in texts if len(text) > at), key=lambda text: text[at]):
        alike = list(group)
        end = _common(alike[0], alike[-1])
        rest = _any_of(alike, end) if len(alike) > 1 else ""
        branches.append(re.escape(alike[0][at:end]) + rest)
    if not branches:
        return ""
    may_end = any(len(text) == at for text in texts)
    return f"(?:{'|'.join(branches)})" + ("?" if may_end else "")


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with in common."""
    size = min(len(one), len(other))
    return next((at for at in range(size) if one[at] != other[at]), size)
