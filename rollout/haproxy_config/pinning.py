"""What pins clients to a server, and what becomes of their requests when the server is taken out.

A drained server still gets the requests of clients that are pinned to it, new connections included.
Maintenance moves them to other servers and lets running requests finish, unless a line of the configuration
says otherwise. Hashes (`balance source`) and `option prefer-last-server` pin nobody: a drain moves those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rollout.haproxy_config.configuration import Line, Section, ServerLine


@dataclass(frozen=True, slots=True)
class Pinning:
    """The lines that decide what becomes of a server's clients when it is taken out; `None` if none does."""

    pin: Line | None
    """Pins clients to the server."""
    persist: Line | None
    """Keeps pinned clients on the server in maintenance."""
    cut: Line | None
    """Ends the requests that run when the server is set to maintenance, on it or on a server that tracks
    it."""

    @property
    def moves(self) -> bool:
        """Whether maintenance moves pinned clients, and ends nothing."""
        return self.pin is not None and self.persist is None and self.cut is None


class Pinnings:
    """The pinning of every server of a configuration."""

    def __init__(self, sections: Iterable[Section]) -> None:
        by_name = {section.name: section for section in sections if section.kind in _WITH_SERVERS}
        self._pins = {name: Pins(section) for name, section in by_name.items()}
        self._named: dict[tuple[str, str], ServerLine] = {}
        self._templates: dict[str, list[ServerLine]] = {}
        self._trackers: dict[str, list[tuple[str, ServerLine]]] = {}
        for name, section in by_name.items():
            for line in section.servers():
                if line.line.starts("server"):
                    self._named[name, line.name] = line
                else:
                    self._templates.setdefault(name, []).append(line)
                if tracked := line.options.get("track"):
                    path = tracked if "/" in tracked else f"{name}/{tracked}"
                    self._trackers.setdefault(path, []).append((name, line))

    def of(self, backend: str, server: str) -> Pinning | None:
        """The pinning of a server; `None` if the configuration does not have it."""
        line = self._line(backend, server)
        if line is None:
            return None
        pins = self._pins[backend]
        cuts = (cut_of(each) for each in self._with_trackers(backend, server, line))
        return Pinning(pins.of(line), pins.persist, next(filter(None, cuts), None))

    def _line(self, backend: str, server: str) -> ServerLine | None:
        named = self._named.get((backend, server))
        templates = self._templates.get(backend, ())
        return named or next((line for line in templates if line.is_of(server)), None)

    def _with_trackers(self, backend: str, server: str, line: ServerLine) -> Iterator[ServerLine]:
        """The line of a server and those of all servers that follow it, directly or not."""
        waiting, seen = [(f"{backend}/{server}", line)], set()
        while waiting:
            path, line = waiting.pop()
            if path not in seen:
                seen.add(path)
                yield line
                waiting += [(f"{name}/{each.name}", each) for name, each in self._trackers.get(path, ())]


_WITH_SERVERS = ("backend", "listen")
_TABLES = (("stick", "on"), ("stick", "match"), ("persist", "rdp-cookie"))


class Pins:
    """The lines of a section that pin clients to its servers."""

    def __init__(self, section: Section) -> None:
        self.persist = section.option("persist") or section.last("force-persist")
        """Keeps pinned clients on servers that are DOWN or in maintenance; `None` if none does."""
        self._cookie = section.last("cookie")
        tables = (section.last(*words) for words in _TABLES)
        self._table = next(filter(None, tables), None)
        self._uses = [line for line in section.lines if line.starts("use-server") and len(line.words) > 1]

    def of(self, server: ServerLine) -> Line | None:
        """The line that pins clients to a server; `None` if none does."""
        if self._cookie and ("dynamic" in self._cookie.words or "cookie" in server.options):
            return self._cookie
        return self._table or next((line for line in self._uses if _is_for(line.words[1], server)), None)


def cut_of(server: ServerLine) -> Line | None:
    """The server's line, if its sessions end when it is DOWN or in maintenance."""
    return server.line if server.options.get("on-marked-down") == "shutdown-sessions" else None


def _is_for(word: str, server: ServerLine) -> bool:
    """Whether a `use-server` is for this server, or for one that each request computes."""
    return word.startswith("%[") or server.is_of(word)
