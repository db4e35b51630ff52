"""What ssh_config says for one host, in the form in which `ssh -G` prints it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path


class Options:
    """The values of each keyword, in their order. Keywords are in small letters, and may be missing."""

    def __init__(self, lines: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for keyword, value in lines:
            self._values.setdefault(keyword.lower(), []).append(value)

    def every(self, keyword: str) -> list[str]:
        """All values of a keyword that may be given several times."""
        return self._values.get(keyword, [])

    def one(self, keyword: str) -> str | None:
        """The value; `None` if it is missing or `none`."""
        value = next(iter(self.every(keyword)), "none")
        return None if value.lower() == "none" else value

    def yes(self, keyword: str) -> bool:
        """Whether the value is `yes`."""
        return (self.one(keyword) or "").lower() in ("yes", "true")

    def no(self, keyword: str) -> bool:
        """Whether the value is `no`."""
        return (self.one(keyword) or "").lower() in ("no", "false")

    def number(self, keyword: str, default: int) -> int:
        """The value as a number. Raises ValueError."""
        return int(self.one(keyword) or default)

    def names(self, keyword: str) -> tuple[str, ...]:
        """The parts between commas; empty if the keyword is missing."""
        return tuple(name for name in (self.one(keyword) or "").split(",") if name)

    def files(self, keyword: str) -> Iterator[str]:
        """The paths on one line.

        `ssh -G` prints them without quotes, so words are joined where only that makes the name of a file.
        """
        words = (self.one(keyword) or "").split()
        while words:
            lengths = range(len(words), 0, -1)
            taken = next((length for length in lengths if Path(" ".join(words[:length])).exists()), 1)
            yield " ".join(words[:taken])
            words = words[taken:]
