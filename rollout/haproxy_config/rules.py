"""Rules for an haproxy.cfg: settings that lose requests, or make a deployment slow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rollout.haproxy_config.configuration import Line, Section, ServerLine

_INTER = 2.0
"""Seconds between two checks, by default."""
_FALL = 3
"""Failed checks until a server is DOWN, by default."""
_LONG = 1.0
"""Seconds between two checks above which a node notably waits for one."""


class Severity(StrEnum):
    """How much a finding matters."""

    WARNING = "warning"
    """Requests can be lost, or a deployment cannot work."""
    NOTE = "note"
    """A deployment takes longer, or the setting matters in special cases."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A rule's remark about a line; lines count from 1."""

    severity: Severity
    line: int
    message: str
    advice: str


def warning(line: Line, message: str, advice: str) -> Remark:
    """A remark that is a warning."""
    return Remark(Severity.WARNING, line.number, message, advice)


def note(line: Line, message: str, advice: str) -> Remark:
    """A remark that is a note."""
    return Remark(Severity.NOTE, line.number, message, advice)


def of_socket(sections: Sequence[Section]) -> Iterator[Remark]:
    """Remarks on the runtime socket: it must let a deployment change servers."""
    sockets = [line for section in sections for line in section.lines if line.starts("stats", "socket")]
    if sockets and not any("admin" in line.words for line in sockets):
        yield warning(
            sockets[0],
            "no `stats socket` has `level admin`, so rollout cannot drain a server",
            "add `level admin` to the socket that the inventory names",
        )


def of_backend(section: Section, *, health_page: bool) -> Iterator[Remark]:
    """Remarks on a backend: its effect on a node that leaves and comes back."""
    servers = list(section.servers())
    if not servers:
        return
    checked = [server for server in servers if "check" in server.options]
    yield from _unchecked(servers)
    yield from _retries(section)
    yield from _pinned(section, servers, health_page)
    yield from _long_sessions(section)
    yield from _agents(servers)
    yield from _marked_down(section, servers, health_page)
    if health_page:
        yield from _page(section, checked)
    yield from _waiting(checked, health_page)
    yield from _returning(section, servers)


def _unchecked(servers: Sequence[ServerLine]) -> Iterator[Remark]:
    bare = [server for server in servers if "check" not in server.options and "track" not in server.options]
    if bare:
        yield warning(
            bare[0].line,
            f"{_names(bare)} without `check`: HAProxy sends requests there whether the node is up or not",
            "add `check`; without it only the inventory's `health:` proves that a node may come back",
        )


def _retries(section: Section) -> Iterator[Remark]:
    if not section.option("redispatch"):
        yield warning(
            section.head,
            "no `option redispatch`: a request that cannot reach its server is never sent to another one",
            "add `option redispatch`",
        )
    retries = section.last("retries")
    if retries and retries.words[1:2] == ("0",):
        yield warning(
            retries,
            "`retries 0`: requests to a node that goes down are lost until its checks have failed",
            "remove it (HAProxy's default is 3)",
        )


def _pinned(section: Section, servers: Sequence[ServerLine], health_page: bool) -> Iterator[Remark]:
    """Clients that are pinned to one server."""
    persist = section.option("persist") or section.last("force-persist")
    if persist:
        yield warning(
            persist,
            f"`{' '.join(persist.words)}` keeps pinned clients on a server that is down or in maintenance",
            "remove it; without it they move to another server",
        )
    sticky = _stickiness(section, servers)
    if sticky and health_page and section.last("http-check", "disable-on-404"):
        yield warning(
            sticky,
            "clients are pinned to servers: one that is out by `disable-on-404` still gets their requests",
            "drain by HAProxy's runtime socket, or remove `http-check disable-on-404`: DOWN moves clients",
        )
    elif sticky:
        yield note(
            sticky,
            "clients are pinned to servers: a drained server still gets their requests, new ones too",
            "nothing to do: maintenance moves them before the restart; what only the node remembers is lost",
        )


def _stickiness(section: Section, servers: Sequence[ServerLine]) -> Line | None:
    """The line that pins clients to servers; `None` if none does."""
    cookie = section.last("cookie")
    if cookie and ("dynamic" in cookie.words or any("cookie" in server.options for server in servers)):
        return cookie
    return section.last("stick", "on") or section.last("stick", "match")


def _long_sessions(section: Section) -> Iterator[Remark]:
    mode = section.last("mode")
    if mode is None or mode.words[1:2] == ("tcp",):
        yield note(
            mode or section.head,
            "`mode tcp`, HAProxy's default: a session lasts as long as its client stays connected",
            "use `mode http` for HTTP; otherwise set a long `drain.timeout`, or `drain.on_timeout: close`",
        )


def _agents(servers: Sequence[ServerLine]) -> Iterator[Remark]:
    agents = [server for server in servers if "agent-check" in server.options]
    if agents:
        yield note(
            agents[0].line,
            f"{_names(agents)} with `agent-check`: an agent that says `ready` undoes a drain within a second",
            "nothing to do: rollout disables the agent while its node is out",
        )


def _marked_down(section: Section, servers: Sequence[ServerLine], health_page: bool) -> Iterator[Remark]:
    cutting = [server for server in servers if server.options.get("on-marked-down") == "shutdown-sessions"]
    if not cutting:
        return
    if health_page and not section.last("http-check", "disable-on-404"):
        yield warning(
            cutting[0].line,
            f"{_names(cutting)} with `on-marked-down shutdown-sessions`: "
            "draining by the health page cuts running requests",
            "add `http-check disable-on-404`: it lets running requests finish",
        )
    else:
        yield note(
            cutting[0].line,
            f"{_names(cutting)} with `on-marked-down shutdown-sessions`: "
            "maintenance and DOWN cut running requests",
            "nothing to do: a node is drained first; only requests that are left at `drain.timeout` are cut",
        )


def _page(section: Section, checked: Sequence[ServerLine]) -> Iterator[Remark]:
    """Settings that draining by the health page needs."""
    if not section.option("httpchk"):
        yield warning(
            section.head,
            "no `option httpchk`: HAProxy never asks for the health page, so it cannot see a node leave",
            "add `option httpchk GET` with the page's path",
        )
    elif not section.last("http-check", "disable-on-404") and checked:
        slowest = max(checked, key=_until_down)
        yield note(
            section.head,
            "no `http-check disable-on-404`: a node leaves only when it is DOWN, "
            f"up to {_until_down(slowest):g} s after its page answers 404",
            "add `http-check disable-on-404`: one check is then enough, and running requests can finish",
        )


def _waiting(checked: Sequence[ServerLine], health_page: bool) -> Iterator[Remark]:
    """Waiting for a check of HAProxy's own, by which a node comes back."""
    if not checked:
        return
    slowest = max(checked, key=lambda server: _until_checked(server, health_page))
    seconds = _until_checked(slowest, health_page)
    if seconds > _LONG:
        yield note(
            slowest.line,
            f"{slowest.name} is checked every {seconds:g} s: a healthy node may wait that long to come back",
            "set `inter 500ms`"
            + ("" if health_page else ", or `downinter 500ms`, which counts once a check has failed"),
        )


def _returning(section: Section, servers: Sequence[ServerLine]) -> Iterator[Remark]:
    slow = [server for server in servers if "slowstart" in server.options]
    if slow:
        yield note(
            slow[0].line,
            f"{_names(slow)} with `slowstart {slow[0].options['slowstart']}`: "
            "the other servers carry more for that long",
            f"set the inventory's `strategy.bake` to {slow[0].options['slowstart']}",
        )
    loaded = section.last("load-server-state-from-file")
    if loaded is None or loaded.words[1:2] == ("none",):
        yield note(
            loaded or section.head,
            "a reload of HAProxy forgets drains: a node that is out of rotation gets traffic again",
            "do not reload HAProxy while you deploy, or save its state right before, "
            "and use `load-server-state-from-file`",
        )


def _until_checked(server: ServerLine, health_page: bool) -> float:
    """Seconds until a healthy node's next check, at most."""
    inter = server.seconds("inter", _INTER)
    return inter if health_page else server.seconds("downinter", inter)


def _until_down(server: ServerLine) -> float:
    """Seconds until a node whose page fails is DOWN, at most: the first check, and then faster ones."""
    inter = server.seconds("inter", _INTER)
    return inter + (server.count("fall", _FALL) - 1) * server.seconds("fastinter", inter)


def _names(servers: Sequence[ServerLine]) -> str:
    """The first two names, and how many more."""
    shown = ", ".join(server.name for server in servers[:2])
    return shown if len(servers) <= 2 else f"{shown} and {len(servers) - 2} more"
