"""An haproxy.cfg as sections, lines and words. Only settings that concern servers are understood."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from rollout.haproxy_config.conditions import Conditions

PROXIES = ("frontend", "backend", "listen")
_SECTIONS = (
    *PROXIES,
    *("global", "defaults", "peers", "resolvers", "userlist", "mailers", "program", "http-errors", "cache"),
    *("ring", "log-forward", "log-profile", "fcgi-app", "crt-store", "acme", "traces"),
    "healthcheck",
)
_TIME = re.compile(r"([0-9]{1,9})(us|ms|s|m|h|d)?")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FLAGS = ("check", "agent-check", "backup")
_VALUES = (
    *("cookie", "downinter", "fall", "fastinter", "init-state", "inter", "on-marked-down", "on-marked-up"),
    *("rise", "slowstart", "track"),
)
_VARIABLE = "$"
"""Stands among a server's options for those that a variable adds."""
_SPECIAL = re.compile(r"""["'\\#]""")


@dataclass(frozen=True, slots=True)
class Line:
    """A line. `number` counts from 1, `words` is never empty."""

    number: int
    words: tuple[str, ...]
    conditional: bool = False
    """Whether it stands in an `.if` of which nobody can tell from outside whether it holds."""

    def starts(self, *words: str) -> bool:
        """Whether it begins with these words."""
        return self.words[: len(words)] == words


@dataclass(frozen=True, slots=True)
class ServerLine:
    """A `server` or `server-template` line, with the options of `default-server`.

    `options` are those that matter here, by name; the value of a flag is empty.
    """

    line: Line
    name: str
    options: Mapping[str, str]

    def is_of(self, server: str) -> bool:
        """Whether it is the line of `server`: a template's servers have its name and a number."""
        if self.line.starts("server-template"):
            return server.startswith(self.name) and server.removeprefix(self.name).isdecimal()
        return server == self.name

    @property
    def label(self) -> str:
        """Its name; for a template the prefix and the numbers, such as `web1-5`."""
        return self.name + (self.line.words[2] if self.line.starts("server-template") else "")

    @property
    def may_be_checked(self) -> bool:
        """Whether it is, or tracks a server, or has options that only a variable of HAProxy knows."""
        return any(option in self.options for option in ("check", "track", _VARIABLE))

    def seconds(self, option: str, otherwise: float) -> float | None:
        """The seconds of an option; `otherwise` if it is not set; `None` if a variable sets it."""
        if option not in self.options:
            return None if _VARIABLE in self.options else otherwise
        return seconds(self.options[option])

    def count(self, option: str, otherwise: int) -> int | None:
        """The number of an option; `otherwise` if it is not set; `None` if a variable sets it."""
        if option not in self.options:
            return None if _VARIABLE in self.options else otherwise
        value = self.options[option]
        return int(value) if re.fullmatch("[0-9]{1,9}", value) else None


@dataclass(frozen=True, slots=True)
class Section:
    """A section. `head` is its first line; `lines` are those of its `defaults`, then its own."""

    kind: str
    name: str
    head: Line
    lines: tuple[Line, ...]

    def last(self, *words: str) -> Line | None:
        """The last line that begins with `words`, which is the one that counts; `None` if none does."""
        return next((line for line in reversed(self.lines) if line.starts(*words)), None)

    def option(self, name: str) -> Line | None:
        """The line that sets `option NAME`; `None` if none does, or a later one unsets it."""
        endings = [("option", name), ("no", "option", name), ("default", "option", name)]
        lines = (line for line in reversed(self.lines) if any(line.starts(*words) for words in endings))
        line = next(lines, None)
        return line if line is not None and line.starts("option") else None

    def servers(self) -> Iterator[ServerLine]:
        """Its servers, each with the options of the `default-server` lines before it."""
        common: dict[str, str] = {}
        for line in self.lines:
            if line.starts("default-server"):
                common = _options(line.words[1:], common)
            elif line.starts("server") and len(line.words) > 2:
                yield ServerLine(line, line.words[1], _options(line.words[3:], common))
            elif line.starts("server-template") and len(line.words) > 3:
                yield ServerLine(line, line.words[1], _options(line.words[4:], common))


def seconds(time: str) -> float | None:
    """The seconds of a time, such as `500ms` or `2s`; `None` if it is none."""
    found = _TIME.fullmatch(time)
    return int(found[1]) * _SECONDS[found[2] or "ms"] if found else None


def read(text: str, version: str = "") -> list[Section]:
    """The sections of a configuration, in order. No text raises: lines that make no sense are left out.

    `version` is that of the HAProxy that runs with it, where it is known: some lines are for other versions.
    """
    sections: list[Section] = []
    defaults: dict[str, Section] = {}
    latest: tuple[Line, ...] = ()
    for head, own in _split(text, version):
        kind, base = head.words[0], _after(head, "from")
        name = head.words[1] if len(head.words) > 1 else ""
        inherited = defaults[base].lines if base in defaults else latest if kind in PROXIES else ()
        section = Section(kind, name, head, (*inherited, *own))
        if kind == "defaults":
            latest = section.lines
            if name and name != "from":
                defaults[name] = section
        sections.append(section)
    return sections


def _split(text: str, version: str) -> Iterator[tuple[Line, list[Line]]]:
    """The first line of every section, with the lines below it."""
    conditions = Conditions(version)
    head: Line | None = None
    own: list[Line] = []
    for number, raw in enumerate(text.split("\n"), 1):
        words = _words(raw)
        if conditions.take(words) or not words or conditions.hold is False:
            continue
        line = Line(number, words, conditional=conditions.hold is None)
        if words[0] in _SECTIONS:
            if head:
                yield head, own
            head, own = line, []
        else:
            own.append(line)
    if head:
        yield head, own


def _words(line: str) -> tuple[str, ...]:
    """The words of a line, without quotes, escapes and comment."""
    if not _SPECIAL.search(line):
        return tuple(line.split())  # most lines, and much faster
    try:
        return tuple(shlex.split(line, comments=True))
    except ValueError:  # a quote that never ends: HAProxy rejects such a line too
        return ()


def _after(line: Line, word: str) -> str:
    """The word that follows `word` in a line; empty if there is none."""
    return dict(pairwise(line.words)).get(word, "")


def _options(words: tuple[str, ...], common: Mapping[str, str]) -> dict[str, str]:
    options = dict(common)
    rest = iter(words)
    for word in rest:
        if word in _VALUES:
            options[word] = next(rest, "")
        elif word.startswith("no-"):
            options.pop(word.removeprefix("no-"), None)
        elif word in _FLAGS:
            options[word] = ""
        elif word.startswith("$"):
            options[_VARIABLE] = word
    return options
