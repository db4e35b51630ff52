"""HAProxy's replies, checked and parsed. All of it comes from outside, so nothing is trusted."""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from rollout.adapters.haproxy.counters import number, of_backend, of_server
from rollout.adapters.haproxy.table import Columns, Row, states, statistics
from rollout.domain import (
    TWIN,
    AdminState,
    CheckResult,
    Counters,
    OperationalState,
    Reading,
    Server,
    ServerState,
)
from rollout.errors import CommandRejected, LoadBalancerUnreachable, NotHAProxy

SEVERITY = "set severity-output number"
"""The command that goes before all others: it marks messages with a severity, by which errors are known."""

_MESSAGE = re.compile(r"^\[\d\]: (.*)$", re.MULTILINE)
_ADDED = re.compile(r"^\[\d\]: New server registered\.\n", re.MULTILINE)
_DELETED = re.compile(r"^\[\d\]: Server deleted\.\n", re.MULTILINE)
"""Messages of success, the only ones. What follows the second differs between versions: an empty line, or
nothing."""
_INFO = re.compile(r"^(Version|Pid|Uptime_sec|Start_time_sec|Stopping): (.*)$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9_.:\-\[\]]+")
_CONFIGURED, _ENABLED = 0x02, 0x04
"""Bits of `srv_check_state` and of `srv_agent_state`. `disable health` and `disable agent` clear the last."""
_BACKEND = "1"
"""The `type` of a backend's own row; its `qcur` leaves out what waits for one server of it."""


def require_success(load_balancer: str, command: str, reply: str) -> None:
    """Raise CommandRejected unless the reply means success: an empty line for each command.

    Raises LoadBalancerUnreachable if the process that answered is being stopped.
    """
    reply = _DELETED.sub("\n", _ADDED.sub("", reply))
    if not reply.strip("\n"):
        if reply.count("\n") < command.count(";") + 2:  # `SEVERITY` has one, too
            raise _cut_short(load_balancer)
        return
    message = _MESSAGE.search(reply)
    reason = (message[1] if message else reply.strip().partition("\n")[0])[:200]
    if reason == "Proxy is disabled.":
        raise _ending(load_balancer)
    hint = None
    if "permission denied" in reason.lower():
        hint = "rollout needs a `stats socket … level admin` line in HAProxy's global section"
    rejected = _first_rejected(command, reply[: message.start()]) if message else command
    reason = f"HAProxy rejected `{rejected}`: {reason}"
    raise CommandRejected(load_balancer, reason, hint=hint, command=rejected)


def _first_rejected(line: str, confirmed: str) -> str:
    """The command of `line` that was rejected first. `confirmed` is the reply before its message."""
    commands = [SEVERITY, *line.split(";")]
    return commands[min(len(confirmed), len(commands) - 1)]


def is_message(reply: str) -> bool:
    """Whether HAProxy answered with a message instead of values."""
    return _MESSAGE.match(reply.strip("\n")) is not None


def parse_level(load_balancer: str, reply: str) -> str:
    """The permission level in a reply to `show cli level`: `user`, `operator` or `admin`.

    Raises LoadBalancerUnreachable, NotHAProxy.
    """
    message = _MESSAGE.search(reply)
    level = message[1].strip() if message else reply.strip()
    if not level:
        raise _cut_short(load_balancer)
    if level not in ("user", "operator", "admin"):
        raise _not_haproxy(load_balancer, reply)
    return level


Table = tuple[Columns, list[Row]]
"""Rows of `show stat`."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What replies show: a reading, and what it was made of."""

    reading: Reading
    numbers: dict[str, int]
    """HAProxy's number of each backend."""
    tables: Sequence[Table]
    """The rows of `show stat`."""
    states: States


@dataclass(frozen=True, slots=True)
class States:
    """Rows of `show servers state`, by the names of backend and server."""

    columns: Columns | None = None
    rows: Mapping[Row, Row] = field(default_factory=dict)


def parse_reading(
    load_balancer: str,
    command: str,
    reply: str,
    beginnings: Collection[str] | None = None,
    remembered: States | None = None,
    counted: Sequence[Table] = (),
) -> Shown:
    """The reading in the replies to `command`: to lines of `show info`, `show servers state` and `show stat`.

    Each line begins with `show info`, so that the process is known from which its reply comes. Of the states,
    those lines are read that have one of the `beginnings`; all, where these are `None`. Others are taken from
    what is `remembered`. The rows of servers in `counted`, which were shown before, count as shown.

    Raises NotHAProxy, CommandRejected, and LoadBalancerUnreachable for a reply that ends too soon, or that
    comes from a process that is being stopped or from two processes.
    """
    blocks = [block.lstrip("\n") for block in reply.strip("\n").split("\n\n")]
    if not blocks[0]:
        raise _cut_short(load_balancer)
    if not blocks[0].startswith("Name: "):
        if _MESSAGE.match(blocks[0]):
            require_success(load_balancer, command, blocks[0])
        raise _not_haproxy(load_balancer, reply)
    if not reply.endswith("\n\n") or len(blocks) <= command.count(";"):
        raise _cut_short(load_balancer)
    infos: list[dict[str, str]] = []
    remembered = remembered or States()
    state_columns, shown_states = remembered.columns, dict(remembered.rows)
    tables = [*counted]
    try:
        for block in blocks:
            if block.startswith("Name: "):
                infos.append(dict(_INFO.findall(block)))
            elif block.startswith("1\n# be_id "):
                state_columns, rows = states(block, beginnings)
                shown_states.update(
                    zip(map(state_columns.getter("be_name", "srv_name"), rows), rows, strict=True)
                )
            elif block.startswith("# pxname,"):
                tables.append(statistics(block))
            else:
                require_success(load_balancer, command, block)
        info = infos[0]
        processes = {(one["Pid"], one["Start_time_sec"], one.get("Stopping", "0")) for one in infos}
        if processes != {(info["Pid"], info["Start_time_sec"], "0")}:
            raise _ending(load_balancer)
        numbers: dict[str, int] = {}
        servers: list[ServerState] = []
        twins: list[ServerState] = []
        queued: dict[str, int] = {}
        answered: dict[str, Counters] = {}
        for columns, rows in tables:
            known_by = columns.getter("pxname", "svname", "iid", "type")
            for row, (backend, name, number_of_backend, kind) in zip(rows, map(known_by, rows), strict=True):
                if kind == _BACKEND:
                    numbers[backend] = int(number_of_backend)
                    queued[backend], answered[backend] = _queue_and_answers(columns, row)
                elif (state := shown_states.get((backend, name))) and state_columns:
                    among = twins if name.startswith(TWIN) else servers
                    among.append(_server_state(load_balancer, columns, row, state_columns, state))
                # Others are listeners of `listen` sections, and servers that vanished between two commands.
        reading = Reading(
            load_balancer=load_balancer,
            version=info["Version"],
            pid=int(info["Pid"]),
            uptime=int(info["Uptime_sec"]),
            started=int(info["Start_time_sec"]),
            servers=tuple(servers),
            twins=tuple(twins),
            queued=queued,
            answered=answered,
        )
        return Shown(reading, numbers, tables, States(state_columns, shown_states))
    except (KeyError, ValueError, csv.Error) as error:
        raise NotHAProxy(load_balancer, f"HAProxy's statistics could not be read: {error!r}") from error


def parse_states(load_balancer: str, reply: str) -> str:
    """The reply to `show servers state` as a state file holds it: the version of the format comes first.

    Twins are left out, since no configuration has them. Raises LoadBalancerUnreachable, CommandRejected.
    """
    if is_message(reply):
        require_success(load_balancer, "show servers state", reply)
    if not reply.lstrip("\n").startswith("1\n# be_id ") or not reply.endswith("\n\n"):
        raise _cut_short(load_balancer)
    return "".join(line for line in reply.lstrip("\n").splitlines(keepends=True) if not _is_of_twin(line))


def _is_of_twin(line: str) -> bool:
    return any(name.startswith(TWIN) for name in line.split(" ", 4)[3:4])


def parse_loads(load_balancer: str, reply: str) -> dict[str, int]:
    """The sessions that run or wait on each server, by `backend/server`, in a reply to `show stat` alone.

    Raises NotHAProxy, LoadBalancerUnreachable.
    """
    if not reply.endswith("\n\n"):
        raise _cut_short(load_balancer)
    try:
        columns, rows = statistics(reply.strip("\n"))
        shown = map(columns.fields, rows)
        return {f"{row['pxname']}/{row['svname']}": _load(row) for row in shown}
    except (KeyError, ValueError, csv.Error) as error:
        raise NotHAProxy(load_balancer, f"HAProxy's statistics could not be read: {error!r}") from error


def _load(row: dict[str, str]) -> int:
    """Sessions that run or wait; a connection that is busy without a session counts as one."""
    return max(number(row["scur"]) + number(row["qcur"]), number(row.get("used_conn_cur")))


@functools.lru_cache(maxsize=2048)
def _queue_and_answers(columns: Columns, shown: Row) -> tuple[int, Counters]:
    """What a backend's row shows: the requests in its queue, and what users got from it."""
    row = columns.fields(shown)
    return number(row["qcur"]), of_backend(row)


@functools.lru_cache(maxsize=8192)
def _server_state(
    load_balancer: str, columns: Columns, shown: Row, state_columns: Columns, shown_state: Row
) -> ServerState:
    """The state of a server. It is remembered, since most servers show the same in the next reading."""
    row, state = columns.fields(shown), state_columns.fields(shown_state)
    backend, name = row["pxname"], row["svname"]
    if not (_NAME.fullmatch(backend) and _NAME.fullmatch(name)):
        raise ValueError(f"HAProxy does not allow the name {backend}/{name}")
    check, agent = int(state["srv_check_state"]), int(state["srv_agent_state"])
    return ServerState(
        server=Server(load_balancer, backend, name),
        address=state["srv_addr"],
        port=int(state["srv_port"]),
        status=row["status"],
        admin=AdminState(int(state["srv_admin_state"])),
        operational=OperationalState(int(state["srv_op_state"])),
        sessions=number(row["scur"]),
        queued=number(row["qcur"]),
        busy_connections=number(row.get("used_conn_cur")),
        weight=int(state["srv_uweight"]),
        configured_weight=int(state["srv_iweight"]),
        backup=row["bck"] == "1",
        checked=bool(check & _ENABLED),
        check_status=row["check_status"].removeprefix("* "),
        check_health=int(state["srv_check_health"]),
        check_result=CheckResult(int(state["srv_check_result"])),
        agent_checked=bool(agent & _ENABLED),
        tracks=row["tracked"],
        total_sessions=number(row["stot"]),
        idle_connections=number(row.get("srv_icur")),
        counters=of_server(row),
        mean=number(row.get("rtime")),
        hostname=_given(state.get("srv_fqdn")),
        srv_record=_given(state.get("srvrecord")),
        check_disabled=check & (_CONFIGURED | _ENABLED) == _CONFIGURED,
        agent_disabled=agent & (_CONFIGURED | _ENABLED) == _CONFIGURED,
        check_address=_given(state.get("srv_check_addr")),
        check_port=number(state.get("srv_check_port")),
        tls=state.get("srv_use_ssl") == "1",
        failed_checks=number(row.get("chkfail")),
    )


def _given(text: str | None) -> str:
    """A word; empty for `-`, which stands for none, and for one that this HAProxy does not show."""
    return "" if text in (None, "-") else str(text)


def _cut_short(load_balancer: str) -> LoadBalancerUnreachable:
    return LoadBalancerUnreachable(load_balancer, "the connection closed before the answer was complete")


def _ending(load_balancer: str) -> LoadBalancerUnreachable:
    return LoadBalancerUnreachable(load_balancer, "the HAProxy that answered is being stopped or replaced")


def _not_haproxy(load_balancer: str, reply: str) -> NotHAProxy:
    return NotHAProxy(
        load_balancer,
        f"this is not HAProxy's runtime socket: it answered {reply.strip()[:80]!r}",
        hint="`haproxy:` must name the path of a `stats socket` line",
    )
