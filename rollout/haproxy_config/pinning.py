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
        self._sections = {section.name: section for section in sections if section.kind in _WITH_SERVERS}
        self._lines = {name: list(section.servers()) for name, section in self._sections.items()}
        self._named = {
            (name, line.name): line
            for name, lines in self._lines.items()
            for line in lines
            if line.line.starts("server")
        }
        self._trackers: dict[str, list[tuple[str, ServerLine]]] = {}
        for name, lines in self._lines.items():
            for line in lines:
                if tracked := line.options.get("track"):
                    path = tracked if "/" in tracked else f"{name}/{tracked}"
                    self._trackers.setdefault(path, []).append((name, line))

    def of(self, backend: str, server: str) -> Pinning | None:
        """The pinning of a server; `None` if the configuration does not have it."""
        line = self._line(backend, server)
        if line is None:
            return None
        section = self._sections[backend]
        cuts = (cut_of(each) for each in self._with_trackers(backend, server, line))
        return Pinning(pin_of(section, line), persist_of(section), next(filter(None, cuts), None))

    def _line(self, backend: str, server: str) -> ServerLine | None:
        named = self._named.get((backend, server))
        return named or next((line for line in self._lines.get(backend, ()) if line.is_of(server)), None)

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


def pin_of(section: Section, server: ServerLine) -> Line | None:
    """The line that pins clients to a server; `None` if none does."""
    cookie = section.last("cookie")
    if cookie and ("dynamic" in cookie.words or "cookie" in server.options):
        return cookie
    for words in (("stick", "on"), ("stick", "match"), ("persist", "rdp-cookie")):
        if line := section.last(*words):
            return line
    return next((line for line in section.lines if _uses(line, server)), None)


def persist_of(section: Section) -> Line | None:
    """The line that keeps pinned clients on servers that are DOWN or in maintenance; `None` if none does."""
    return section.option("persist") or section.last("force-persist")


def cut_of(server: ServerLine) -> Line | None:
    """The server's line, if its sessions end when it is DOWN or in maintenance."""
    return server.line if server.options.get("on-marked-down") == "shutdown-sessions" else None


def _uses(line: Line, server: ServerLine) -> bool:
    """Whether it is a `use-server` for this server, or for one that each request computes."""
    if not line.starts("use-server") or len(line.words) < 2:
        return False
    return line.words[1].startswith("%[") or server.is_of(line.words[1])
