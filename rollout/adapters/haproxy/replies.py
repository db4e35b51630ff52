"""HAProxy's replies, judged and read. Everything here comes from outside, so nothing is trusted."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from rollout.domain import AdminState, CheckResult, OperationalState, Reading, Server, ServerState
from rollout.errors import CommandRefused, NotHAProxy

SEVERITY = "set severity-output number"
"""Said first, it marks every message with its severity: an error is told from a success by that."""

_MESSAGE = re.compile(r"^\[\d\]: (.*)$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9_.:\-\[\]]+")
_CHECK_CONFIGURED = 0x02
"""A bit of `srv_check_state` and of `srv_agent_state`."""


def judge(load_balancer: str, command: str, reply: str) -> None:
    """Raise CommandRefused unless the reply is what success looks like: empty lines."""
    if not reply.strip():
        return
    message = _MESSAGE.search(reply)
    said = (message[1] if message else reply.strip().splitlines()[0])[:200]
    hint = None
    if "permission denied" in said.lower():
        hint = "rollout needs a `stats socket … level admin` line in HAProxy's global section"
    raise CommandRefused(load_balancer, f"HAProxy refused `{command}`: {said}", hint=hint)


def parse_level(load_balancer: str, reply: str) -> str:
    """What `show cli level` says: `user`, `operator` or `admin`."""
    message = _MESSAGE.search(reply)
    level = message[1].strip() if message else reply.strip()
    if level not in ("user", "operator", "admin"):
        raise _not_haproxy(load_balancer, reply)
    return level


def parse_reading(load_balancer: str, reply: str) -> tuple[Reading, dict[str, int]]:
    """What `show info`, `show servers state` and `show stat` say together, in one reply.

    Gives the reading, and HAProxy's number of each backend. Raises NotHAProxy, CommandRefused.
    """
    info: dict[str, str] = {}
    states: dict[tuple[str, str], dict[str, str]] = {}
    rows: list[dict[str, str]] = []
    for block in reply.strip("\n").split("\n\n"):
        lines = block.strip("\n").splitlines()
        if not lines:
            continue
        if lines[0].startswith("Name: "):
            info = dict(line.split(": ", 1) for line in lines if ": " in line)
        elif lines[0].strip() == "1" and len(lines) > 1 and lines[1].startswith("# be_id "):
            header = lines[1].removeprefix("# ").split(" ")
            for line in lines[2:]:
                state = dict(zip(header, line.split(" "), strict=False))
                states[state.get("be_name", ""), state.get("srv_name", "")] = state
        elif lines[0].startswith("# pxname,"):
            lines[0] = lines[0].removeprefix("# ")
            rows.extend(csv.DictReader(lines))
        else:
            judge(load_balancer, "show", block)
    if info.get("Name", "").lower() != "haproxy" and "HAProxy" not in info.get("Name", ""):
        raise _not_haproxy(load_balancer, reply)
    try:
        servers = tuple(_server_states(load_balancer, rows, states))
        reading = Reading(
            load_balancer=load_balancer,
            version=info["Version"],
            pid=int(info["Pid"]),
            uptime=int(info["Uptime_sec"]),
            servers=servers,
        )
        return reading, {row["pxname"]: int(row["iid"]) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise NotHAProxy(load_balancer, f"HAProxy's statistics could not be read: {error!r}") from error


def _server_states(
    load_balancer: str, rows: list[dict[str, str]], states: dict[tuple[str, str], dict[str, str]]
) -> Iterator[ServerState]:
    for row in rows:
        backend, name = row["pxname"], row["svname"]
        state = states.get((backend, name))
        if state is None:
            # A listener of a `listen` section, or a server that went between the two commands.
            continue
        if not (_NAME.fullmatch(backend) and _NAME.fullmatch(name)):
            raise ValueError(f"{backend}/{name} is no name that HAProxy allows")
        yield ServerState(
            server=Server(load_balancer, backend, name),
            address=state["srv_addr"],
            port=int(state["srv_port"]),
            status=row["status"],
            admin=AdminState(int(state["srv_admin_state"])),
            operational=OperationalState(int(state["srv_op_state"])),
            sessions=_number(row["scur"]),
            queued=_number(row["qcur"]),
            busy_connections=_number(row.get("used_conn_cur")),
            weight=int(state["srv_uweight"]),
            configured_weight=int(state["srv_iweight"]),
            backup=row["bck"] == "1",
            checked=bool(int(state["srv_check_state"]) & _CHECK_CONFIGURED),
            check_status=row["check_status"].removeprefix("* "),
            check_health=int(state["srv_check_health"]),
            check_result=CheckResult(int(state["srv_check_result"])),
            agent_checked=bool(int(state["srv_agent_state"]) & _CHECK_CONFIGURED),
            tracks=row["tracked"],
            total_sessions=_number(row["stot"]),
        )


def _number(text: str | None) -> int:
    """A counter; HAProxy leaves out those that do not apply."""
    return int(text) if text else 0


def _not_haproxy(load_balancer: str, reply: str) -> NotHAProxy:
    said = repr(reply.strip()[:80]) if reply.strip() else "nothing"
    return NotHAProxy(
        load_balancer,
        f"this is not HAProxy's runtime socket: it answered {said}",
        hint="`haproxy:` must name the path of a `stats socket` line",
    )
