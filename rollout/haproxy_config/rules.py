"""Rules for an haproxy.cfg: settings that lose requests, or make a deployment slow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.haproxy_config.client_rules import of_clients
from rollout.haproxy_config.configuration import Section, ServerLine
from rollout.haproxy_config.remark import Remark, names, note, warning

_INTER = 2.0
"""Seconds between two checks, by default."""
_FALL = 3
"""Failed checks until a server is DOWN, by default."""
_LONG = 1.0
"""Seconds between two checks above which a node notably waits for one."""


def of_socket(sections: Sequence[Section]) -> Iterator[Remark]:
    """Remarks on the runtime socket: it must let a deployment change servers."""
    sockets = [line for section in sections for line in section.lines if line.starts("stats", "socket")]
    if sockets and not any("admin" in line.words for line in sockets):
        yield warning(
            sockets[0],
            "no `stats socket` has `level admin`, so rollout cannot drain a server",
            "add `level admin` to the socket that the inventory names",
        )


def of_backend(section: Section, *, health_page: bool, waits: bool) -> Iterator[Remark]:
    """Remarks on a backend: its effect on a node that leaves and comes back."""
    servers = list(section.servers())
    if not servers:
        return
    checked = [server for server in servers if "check" in server.options]
    yield from _unchecked(servers)
    yield from _retries(section)
    yield from of_clients(section, health_page=health_page, waits=waits)
    yield from _long_sessions(section)
    yield from _agents(servers)
    if health_page:
        yield from _page(section, checked)
    yield from _waiting(checked, health_page)
    yield from _returning(section, servers)


def _unchecked(servers: Sequence[ServerLine]) -> Iterator[Remark]:
    bare = [server for server in servers if "check" not in server.options and "track" not in server.options]
    if bare:
        yield warning(
            bare[0].line,
            f"{names(bare)} without `check`: HAProxy sends requests there whether the node is up or not",
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
            f"{names(agents)} with `agent-check`: an agent that says `ready` undoes a drain within a second",
            "nothing to do: rollout disables the agent while its node is out",
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
            f"{names(slow)} with `slowstart {slow[0].options['slowstart']}`: "
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
