"""Rules for an haproxy.cfg: settings that lose requests, or make a deployment slow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.haproxy_config.checks import first_check, first_check_of_process, slowest, until_up
from rollout.haproxy_config.client_rules import of_clients
from rollout.haproxy_config.configuration import Section, ServerLine
from rollout.haproxy_config.page_rules import of_page
from rollout.haproxy_config.reload_rules import of_reload
from rollout.haproxy_config.remark import Remark, note, warning

_LONG = 1.0
"""Seconds for which a node notably waits for a check."""


def of_socket(sections: Sequence[Section]) -> Iterator[Remark]:
    """Remarks on the runtime socket: it must let a deployment change servers."""
    sockets = [line for section in sections for line in section.lines if line.starts("stats", "socket")]
    if sockets and not any("admin" in line.words or "$" in "".join(line.words) for line in sockets):
        words = [word for word in sockets[0].words if word not in ("level", "user", "operator")]
        yield warning(
            sockets[0],
            "no `stats socket` has `level admin`, so rollout cannot drain a server",
            f"write `{' '.join(words)} level admin`",
        )


def of_backend(
    section: Section, *, global_file: str, health_page: bool, waits: bool, bake: float, version: str
) -> Iterator[Remark]:
    """Remarks on a backend: its effect on a node that leaves and comes back.

    `global_file` is the path in `server-state-file`; the rest is as for `analyse`.
    """
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
        yield from of_page(section, checked)
    yield from _waiting(checked, health_page)
    yield from _slow_start(servers, bake)
    yield from of_reload(
        section,
        servers,
        global_file=global_file,
        first_checks=slowest(checked, first_check_of_process)[0],
        health_page=health_page,
        version=version,
    )


def _unchecked(servers: Sequence[ServerLine]) -> Iterator[Remark]:
    bare = [server for server in servers if not server.may_be_checked]
    if bare:
        yield warning(
            bare[0].line,
            "without `check`: HAProxy sends requests there whether the node is up or not",
            "write `check inter 500ms` at the end of the line; without it only the inventory's `health:` "
            "proves that a node may come back",
            bare,
        )


def _retries(section: Section) -> Iterator[Remark]:
    retries = section.last("retries")
    if retries and retries.words[1:2] == ("0",):
        yield note(
            retries,
            "`retries 0`: if a node dies without being drained, all requests that HAProxy sends there are "
            "lost until its checks have failed",
            "remove it (HAProxy's default is 3), and write `option redispatch`",
        )


def _long_sessions(section: Section) -> Iterator[Remark]:
    mode = section.last("mode")
    if mode is None or mode.words[1:2] == ("tcp",):
        yield note(
            mode or section.head,
            "`mode tcp`, HAProxy's default: a session lasts as long as its client stays connected, and a "
            "drain waits for it up to `drain.timeout`",
            "write `mode http` for HTTP; otherwise set a long `drain.timeout`, or `drain.on_timeout: close`",
        )


def _agents(servers: Sequence[ServerLine]) -> Iterator[Remark]:
    agents = [server for server in servers if "agent-check" in server.options]
    if agents:
        yield note(
            agents[0].line,
            "with `agent-check`: an agent that says `ready` undoes a drain within a second",
            "nothing to do: rollout disables the agent while its node is out",
            agents,
        )


def _waiting(checked: Sequence[ServerLine], health_page: bool) -> Iterator[Remark]:
    """Waiting for HAProxy's own checks, by which a node comes back. By the socket one check is enough."""
    seconds, server = slowest(checked, until_up if health_page else first_check)
    if server and seconds > _LONG:
        yield note(
            server.line,
            f"with a check every {first_check(server):g} s: a node that is healthy again waits up to "
            f"{seconds:g} s until HAProxy sees it",
            "write `inter 500ms`",
            [server],
        )


def _slow_start(servers: Sequence[ServerLine], bake: float) -> Iterator[Remark]:
    slow = [server for server in servers if (server.seconds("slowstart", 0.0) or 0.0) > bake]
    if slow:
        seconds, _ = slowest(slow, lambda server: server.seconds("slowstart", 0.0))
        yield note(
            slow[0].line,
            f"with `slowstart {slow[0].options['slowstart']}`: the other servers carry more for that long",
            f"write `strategy: {{bake: {seconds:g}s}}` in the inventory: the next node waits for that long",
            slow,
        )
