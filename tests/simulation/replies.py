"""What HAProxy 2.6 answers: a real answer is the mould. Counters of what was stand still."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from tests.simulation.loop import world_time
from tests.simulation.node import PORT
from tests.simulation.process import (
    DRAIN,
    INHERITED_MAINT,
    MAINT,
    RUNNING,
    STARTING,
    STOPPED,
    STOPPING,
    SimProcess,
    SimServer,
)

_REAL = (Path(__file__).parents[1] / "contract" / "haproxy" / "replies" / "2.6.txt").read_text()
INFO, _STATES, _STATS = _REAL.strip("\n").split("\n\n")
STATE_HEADER = "\n".join(_STATES.split("\n")[:2])
STAT_HEADER, _STAT_ROW = _STATS.split("\n")[:2]


def _mould(lines: str, separator: str, **values: str) -> str:
    """The text with the named lines or fields replaced by places for `str.format_map`."""
    return separator.join(
        f"{line.partition(': ')[0]}: {{{values[name]}}}"
        if (name := line.partition(": ")[0]) in values
        else line
        for line in lines.split(separator)
    )


_INFO_MOULD = _mould(
    INFO, "\n", Pid="pid", Uptime_sec="uptime", Start_time_sec="started", Stopping="stopping"
)
_FIELDS = {
    "pxname",
    "svname",
    "scur",
    "status",
    "weight",
    "act",
    "bck",
    "iid",
    "sid",
    "tracked",
    "check_status",
    "check_code",
    "check_desc",
    "check_rise",
    "check_fall",
    "check_health",
    "addr",
    "used_conn_cur",
    "uweight",
    "last_chk",
    "check_duration",
    "chkfail",
}
_NAMES = STAT_HEADER.removeprefix("# ").split(",")
_STAT_MOULD = ",".join(
    f"{{{name}}}" if name in _FIELDS else value
    for name, value in zip(_NAMES, next(csv.reader([_STAT_ROW])), strict=True)
)
_OF_BACKEND = {"pxname": "{pxname}", "svname": "BACKEND", "status": "{status}", "iid": "{iid}", "type": "1"}
_BACKEND_MOULD = ",".join(_OF_BACKEND.get(name, "0" if name in ("qcur", "sid") else "") for name in _NAMES)
_DESCRIPTIONS = {
    "INI": "Initializing",
    "L7OK": "Layer7 check passed",
    "L7OKC": "Layer7 check conditionally passed",
    "L7STS": "Layer7 wrong status",
    "L7TOUT": "Layer7 timeout",
    "L4CON": "Layer4 connection problem",
}
_UNCHECKED = dict.fromkeys(
    (
        "check_status",
        "check_code",
        "check_desc",
        "check_rise",
        "check_fall",
        "check_health",
        "check_duration",
    ),
    "",
)


def info(process: SimProcess, *, stopping: bool) -> str:
    uptime, started = int(world_time() - process.born), int(process.born)
    shown = _INFO_MOULD.format(pid=process.pid, uptime=uptime, started=started, stopping=int(stopping))
    return shown + "\n\n"


def servers_state(process: SimProcess, servers: Iterable[SimServer]) -> str:
    return f"{STATE_HEADER}\n" + "".join([_lines(server)[0] for server in servers]) + "\n"


def stat(
    process: SimProcess, backends: Iterable[str], *, of_backends: bool, of_servers: bool, number: int = -1
) -> str:
    """`number` is that of one server of each backend; -1 is all of them."""
    rows = [f"{STAT_HEADER}\n"]
    for name in backends:
        servers = [server for server in process.of_backend(name) if number in (-1, server.number)]
        if of_servers:
            rows += [_lines(server)[1] for server in servers]
        if of_backends:
            up = any(server.state != STOPPED for server in servers)
            row = _BACKEND_MOULD.format(pxname=name, status="UP" if up else "DOWN", iid=process.numbers[name])
            rows.append(f"{row}\n")
    return "".join(rows) + "\n"


def status(server: SimServer) -> str:
    """The word of the statistics page."""
    if server.admin & INHERITED_MAINT:
        return f"MAINT (via {server.config.track})"
    if server.admin & MAINT:
        return "MAINT"
    by = server.tracked or server
    checked, health = by.config.check is not None and not by.admin & MAINT, by.checking.health
    full = health == by.checking.full
    if server.state in (RUNNING, STARTING):
        word = "DRAIN" if server.admin & DRAIN else "UP"
        if not checked:
            return "DRAIN" if word == "DRAIN" else "no check"
    elif server.state == STOPPING:
        word = "NOLB"
        full = full or not checked
    else:
        word = "DOWN"
        full = not checked or health == 0
    if full:
        return word
    rise, fall = by.checking.rise, by.checking.fall
    return f"{word} {health - rise + 1}/{fall}" if health >= rise else f"{word} {health}/{rise}"


def _lines(server: SimServer) -> tuple[str, str]:
    """Its line of the states and its row of the statistics, written anew only where something changed."""
    if server.stale:
        server.stale = False
        server.lines = _state_line(server), _stat_row(server)
    return server.lines


def _state_line(server: SimServer) -> str:
    config, checking = server.config, server.checking
    number = server.process.numbers[server.backend.name]
    check_state = 0 if config.check is None else 14 if server.admin & MAINT else 6
    return (
        f"{number} {server.backend.name} {server.number} {config.name} {config.node.address} "
        f"{server.state} {server.admin} {server.weight} {config.weight} 0 8 "
        f"{checking.result} {checking.health} {check_state} 0 0 0 - {PORT} - 0 0 - - 0\n"
    )


def _stat_row(server: SimServer) -> str:
    config, checking = server.config, server.checking
    running = len(server.requests)
    shown = _UNCHECKED
    if config.check is not None and not server.admin & MAINT:
        shown = {
            "check_status": checking.status,
            "check_code": checking.code,
            "check_desc": _DESCRIPTIONS[checking.status],
            "check_rise": str(checking.rise),
            "check_fall": str(checking.fall),
            "check_health": str(checking.health),
            "check_duration": "0",
        }
    return (
        _STAT_MOULD.format(
            pxname=server.backend.name,
            svname=config.name,
            scur=sum(request.has_session for request in server.requests),
            status=status(server),
            weight=server.weight,
            act=0 if config.backup else 1,
            bck=1 if config.backup else 0,
            iid=server.process.numbers[server.backend.name],
            sid=server.number,
            tracked=config.track,
            addr=f"{config.node.address}:{PORT}",
            used_conn_cur=running,
            uweight=server.weight,
            chkfail=checking.failed,
            last_chk="",
            **shown,
        )
        + "\n"
    )
