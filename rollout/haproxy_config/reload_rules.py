"""Rules for an haproxy.cfg: what a reload of HAProxy costs while a node is down.

A new process takes every server for UP and sends it requests, unless a state file or `init-state` says
otherwise. Drained by the socket, rollout tells it within 0.2 s which servers are out. Drained by their page,
only the process's own checks find out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.haproxy_config.conditions import numbers
from rollout.haproxy_config.configuration import Line, Section, ServerLine
from rollout.haproxy_config.remark import Remark, note, warning
from rollout.haproxy_config.state_file import is_known, loads

_DOWN = ("down", "fully-down")
_TOLD = 0.2
"""Seconds until rollout has told a new process which servers are out."""
_LINES = (
    "`server-state-file /var/lib/haproxy/state/servers` in `global` and "
    "`load-server-state-from-file global` in `defaults`"
)


def of_reload(
    section: Section,
    servers: Sequence[ServerLine],
    *,
    global_file: str,
    first_checks: float,
    health_page: bool,
    version: str,
) -> Iterator[Remark]:
    """Remarks on a backend. `global_file` is the path in `server-state-file`, `first_checks` the seconds in
    which a new process checks every server once; the rest is as for `analyse`."""
    down = [server for server in servers if server.options.get("init-state") in _DOWN]
    yield from _never_up([server for server in down if not server.may_be_checked])
    lacks = _lacks_state_file(section, global_file, health_page)
    if lacks and down and heeds_init_state(version):
        yield note(
            down[0].line,
            f"{_with(down)}: after each reload of HAProxy the backend answers 503 until first checks have "
            f"passed, up to {first_checks:g} s",
            f"write {_LINES} instead",
            down,
        )
    elif lacks and down:
        ignoring = f"HAProxy {version or 'before 3.2.20'}, {_with(down)}, may ignore that when it is reloaded"
        yield _lost(section, down[0].line, ignoring, first_checks, health_page)
    elif lacks:
        yield _lost(section, *lacks, first_checks, health_page)


def heeds_init_state(version: str) -> bool:
    """Whether HAProxy of that version is known to heed `init-state` when it starts, and not only after
    maintenance. 3.3 began to in one of its patches."""
    known = numbers(version)
    return known >= (3, 4) or (known[:2] == (3, 2) and known >= (3, 2, 20))


def _never_up(unchecked: Sequence[ServerLine]) -> Iterator[Remark]:
    if unchecked:
        yield warning(
            unchecked[0].line,
            f"{_with(unchecked)} but without `check`: HAProxy never takes it for UP again after maintenance",
            "write `check inter 500ms` as well, or remove `init-state`",
            unchecked,
        )


def _with(servers: Sequence[ServerLine]) -> str:
    return f"with `init-state {servers[0].options['init-state']}`"


def _lacks_state_file(section: Section, global_file: str, health_page: bool) -> tuple[Line, str] | None:
    """Why no state file tells a new process which servers are out, and the line to name; `None` if one does.

    rollout keeps the global file up to date. Drained by the page, only a site's own reload can write one.
    """
    line = section.last("load-server-state-from-file")
    kind = loads(section)
    if line is None or kind == "none":
        return line or section.head, "HAProxy loads no state file"
    if kind == "global" and not global_file:
        return line, "HAProxy loads no state file, since `global` has no `server-state-file`"
    if health_page or (kind == "global" and is_known(global_file)):
        return None
    if kind == "global":
        return line, f"HAProxy loads `server-state-file {global_file}`, which rollout cannot find"
    return line, f"HAProxy's `{' '.join(line.words)}` loads files that rollout does not write"


def _lost(section: Section, line: Line, reason: str, first_checks: float, health_page: bool) -> Remark:
    retries = section.last("retries")
    spared = section.option("redispatch") and not (retries and retries.words[1:2] == ("0",))
    seconds, until = (first_checks, "a check has failed") if health_page else (_TOLD, "rollout has told it")
    cost = "those that are refused go to another server" if spared else "they fail"
    keeps = "save `show servers state` there right before each reload" if health_page else "rollout keeps it"
    redispatch = "" if spared else "; or write `option redispatch`: refused requests go to another server"
    return note(
        line,
        f"{reason}: if HAProxy is reloaded while a node is down, its new process sends requests there for up "
        f"to {seconds:g} s, until {until}; {cost}",
        f"write {_LINES}: {keeps}{redispatch}",
    )
