"""The conditional blocks of an haproxy.cfg: `.if`, `.elif`, `.else`, `.endif`.

The running version decides some conditions. Others depend on HAProxy's environment or its build, which nobody
sees from outside: then each branch may hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_VERSION = re.compile(r"version_(atleast|before)\(([^()]*)\)")
_GROUP = re.compile(r"(?<!\w)\(")


def numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: `2.6.12-1+deb12u2` gives 2, 6, 12."""
    found = re.match(r"[0-9]+(\.[0-9]+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


@dataclass
class _Block:
    holds: bool | None
    """Whether its current branch does; `None` if that cannot be told."""
    earlier: bool | None
    """Whether this branch or one before it holds: then no later one does."""


class Conditions:
    """The blocks around a line, while lines are read from top to bottom."""

    def __init__(self, version: str) -> None:
        self._version = numbers(version)
        self._blocks: list[_Block] = []

    @property
    def hold(self) -> bool | None:
        """Whether HAProxy reads the lines that follow; `None` if that cannot be told."""
        return _all([block.holds for block in self._blocks])

    def take(self, words: Sequence[str]) -> bool:
        """Whether the line is a directive; if it begins, changes or ends a block, that is noted."""
        directive = words[0] if words else ""
        if directive == ".if":
            true = self._truth(" ".join(words[1:]))
            self._blocks.append(_Block(true, true))
        elif directive in (".elif", ".else") and self._blocks:
            block = self._blocks[-1]
            true = self._truth(" ".join(words[1:])) if directive == ".elif" else True
            block.holds = _all([_not(block.earlier), true])
            block.earlier = _any([block.earlier, true])
        elif directive == ".endif" and self._blocks:
            self._blocks.pop()
        return directive.startswith(".")

    def _truth(self, condition: str) -> bool | None:
        if _GROUP.search(condition):
            return None
        alternatives = (alternative.split("&&") for alternative in condition.split("||"))
        return _any([_all([self._term(term.strip()) for term in terms]) for terms in alternatives])

    def _term(self, term: str) -> bool | None:
        if term.startswith("!"):
            return _not(self._term(term[1:].strip()))
        if not term or term.isdecimal():
            return bool(term) and int(term) != 0
        asked = _VERSION.fullmatch(term)
        if asked is None or not self._version or not numbers(asked[2]):
            return None
        return (self._version >= numbers(asked[2])) == (asked[1] == "atleast")


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _all(values: Sequence[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


def _any(values: Sequence[bool | None]) -> bool | None:
    return True if True in values else None if None in values else False
