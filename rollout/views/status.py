"""The output of `rollout status`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rollout.decisions.alike import first_of
from rollout.decisions.memory import LeftOut
from rollout.decisions.node_state import HealthSeen, NodeStatus, SiteStatus
from rollout.decisions.progress import NodeProgress, Progress
from rollout.decisions.rejoined import Rejoined
from rollout.domain import AdminState, ServerState
from rollout.views.many import folded, span
from rollout.views.next_commands import command_line, next_commands
from rollout.views.text import count, duration, paused, printable

_HEADER = ("node", "state", "release", "health", "server", "status", "admin", "check", "sessions", "weight")
_NODE_CELLS = 4
_NOBODY: Mapping[str, LeftOut] = {}


def table(service: str, status: SiteStatus, deployment: str, last: Progress | None = None) -> Iterator[str]:
    """For people: the line about the deployment `last`, then a row for each server of each node, or for many
    that are alike."""
    yield headline(service, deployment)
    rows: list[tuple[str, ...]] = [_HEADER]
    nothing = ("none found" if status.readings else "–", "", "", "", "", "")
    for node in status.nodes:
        about = (node.name, node.state.value, _release(node.health), _health(node.health))
        noted = None if last is None else last.nodes.get(node.name)
        servers = _servers(node.servers, noted)
        servers += [(name, "unreachable", "", "", "", "") for name in status.unreachable]
        for index, cells in enumerate(servers or [nothing]):
            rows.append(tuple(map(printable, (*(("",) * _NODE_CELLS if index else about), *cells))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(map(str.ljust, row, widths)).rstrip()
    yield from unreachable(status)


def headline(service: str, deployment: str) -> str:
    """The line about the service and its last deployment."""
    return printable(f"{service} · {deployment}" if deployment else service)


def unreachable(status: SiteStatus) -> Iterator[str]:
    """For people: why load balancers could not be read."""
    for reason in status.unreachable.values():
        yield printable(f"unreachable: {reason}")


def contradictions(rejoined: Sequence[Rejoined], inventory: str) -> Iterator[str]:
    """For people: which nodes take traffic although they were left out, and what to run, before all else."""
    for each in rejoined:
        drain, ready = (command_line(verb, inventory, each.node) for verb in ("drain", "ready"))
        yield (
            f"{each.node} was left out by deployment {each.deployment}, but takes traffic: "
            f"{first_of(each.seen)}"
        )
        yield f"  take it out again: {drain}"
        yield f"  or, if its release is good, count it as back: {ready}"


def deployment_line(
    deployment: Progress | None,
    state: str,
    now: float,
    left_out: Collection[str] = (),
    rejoined: Sequence[Rejoined] = (),
) -> str:
    """`deployment 17 (1.4.2) done, ended 4 min ago: 6 of 6 nodes; left out: web1`. `now` is Unix time,
    `left_out` are nodes that earlier deployments left out, and `rejoined` those that take traffic again."""
    if deployment is None:
        return "not deployed yet"
    ago = duration(now - (deployment.started or now) - (deployment.seconds or 0.0))
    begun = "began" if deployment.seconds is None else "ended"
    how = f"{state} ({deployment.reason or 'killed'})" if state == "interrupted" else state
    line = (
        f"deployment {deployment.deployment} ({deployment.release or 'restart'}) {how}, {begun} {ago} ago"
        f": {deployment.done} of {count(deployment.total, 'node')}"
    )
    own = deployment.maybe_out if state != "running" else ()
    back = {each.node for each in rejoined}
    out = [name for name in dict.fromkeys((*own, *left_out)) if name not in back]
    return f"{line}; left out: {', '.join(out)}" if out else line


def left_out_lines(left_out: Mapping[str, LeftOut]) -> Iterator[str]:
    """For people: which deployment left each node out, and why."""
    for name, out in left_out.items():
        release = f" ({out.release})" if out.release else ""
        ran = f"; before, it ran {out.previous_release}" if out.previous_release else ""
        at = f" at {out.step}" if out.step is not None else ""
        if out.certain:
            why = f": {out.reason}" if out.reason else ""
            yield printable(f"{name} was left out by deployment {out.deployment}{release}{at}{why}{ran}")
        else:
            yield printable(
                f"{name} may be out: deployment {out.deployment}{release} was interrupted{at}{ran}"
            )


def advice(
    deployment: Progress | None, state: str, inventory: str, left_out: Collection[str] = ()
) -> Iterator[str]:
    """For people: the commands to run next, if the deployment did not reach its end or nodes are left out."""
    if deployment is not None and state == "running" and deployment.paused:
        yield paused(deployment, deployment.paused)
    if deployment is None or state == "running":
        return
    for command in next_commands(deployment, inventory, left_out, ended=state == "done"):
        yield f"{command.effect}: {command.line}"


def document(
    service: str,
    status: SiteStatus,
    deployment: Progress | None,
    state: str,
    left_out: Mapping[str, LeftOut] = _NOBODY,
    rejoined: Sequence[Rejoined] = (),
) -> dict[str, Any]:
    """For programs. `left_out` are nodes that this or an earlier deployment left out, and `contradictions`
    those of them that take traffic. Of a server,
    `sessions` are running, `queued` are waiting, and `old_sessions` belong to HAProxy processes from before a
    reload."""
    return {
        "service": service,
        "contradictions": [
            {"node": each.node, "left_out_by": each.deployment, "seen": list(each.seen)} for each in rejoined
        ],
        "nodes": [_node_document(node, status, left_out.get(node.name)) for node in status.nodes],
        "left_out": list(left_out),
        "load_balancers": [
            *(
                {
                    "name": r.load_balancer,
                    "reachable": True,
                    "version": r.version,
                    "pid": r.pid,
                    "error": None,
                }
                for r in status.readings
            ),
            *(
                {"name": name, "reachable": False, "version": None, "pid": None, "error": reason}
                for name, reason in status.unreachable.items()
            ),
        ],
        "deployment": None if deployment is None else _deployment_document(deployment, state),
    }


def _node_document(node: NodeStatus, status: SiteStatus, out: LeftOut | None) -> dict[str, Any]:
    health = node.health
    return {
        "name": node.name,
        "host": node.host,
        "state": node.state.value,
        "healthy": None if health is None else health.healthy,
        "health": None if health is None else _health(health),
        "release": None if health is None else health.release,
        "left_out": None if out is None else left_out_document(out),
        "servers": [
            *(_server_document(state) for state in node.servers),
            *(
                {
                    "load_balancer": name,
                    "backend": None,
                    "server": None,
                    "status": "unreachable",
                    "sessions": None,
                }
                for name in status.unreachable
            ),
        ],
    }


def left_out_document(out: LeftOut) -> dict[str, Any]:
    """`certain` is false where a deployment was interrupted, so that the node may be out."""
    return {
        "deployment": out.deployment,
        "release": out.release,
        "previous_release": out.previous_release,
        "since": datetime.fromtimestamp(out.since, UTC).isoformat(),
        "certain": out.certain,
        "step": out.step,
        "reason": out.reason,
    }


def _server_document(state: ServerState) -> dict[str, Any]:
    return {
        "load_balancer": state.server.load_balancer,
        "backend": state.server.backend,
        "server": state.server.name,
        "status": state.status,
        "sessions": state.sessions,
        "queued": state.queued,
        "old_sessions": state.old_sessions,
        "admin": _admin(state.admin),
        "check": state.check_status or None,
        "weight": state.weight,
    }


def _deployment_document(deployment: Progress, state: str) -> dict[str, Any]:
    return {
        "id": deployment.deployment,
        "release": deployment.release,
        "state": state,
        "started": datetime.fromtimestamp(deployment.started or 0.0, UTC).isoformat(),
        "seconds": deployment.seconds,
        "nodes": deployment.total,
        "done": deployment.done,
        "failed": deployment.failed,
        "left_out": list(deployment.maybe_out),
        "user": deployment.user,
        "host": deployment.host,
    }


def _servers(states: Sequence[ServerState], noted: NodeProgress | None) -> list[tuple[str, ...]]:
    """A row for each server, and one for all that show the same on a load balancer, where they are many."""
    return [
        (f"{balancer} {span([state.server for state in own])}", *shown, _sessions(own), weight)
        for (balancer, *shown, weight), own in folded((_shown(state, noted), state) for state in states)
    ]


def _shown(state: ServerState, noted: NodeProgress | None) -> tuple[str, str, str, str, str]:
    """The load balancer, and what the cells of a server show except its sessions."""
    return (
        state.server.load_balancer,
        state.status,
        _admin(state.admin),
        _check(state),
        _weight(state, noted),
    )


def _check(state: ServerState) -> str:
    """The result of HAProxy's last check, and what is disabled."""
    check = (
        "disabled" if state.check_disabled else (state.check_status or "none") if state.checked else "none"
    )
    return f"{check}, agent disabled" if state.agent_disabled else check


def _sessions(states: Sequence[ServerState]) -> str:
    queued, old = sum(state.queued for state in states), sum(state.old_sessions for state in states)
    waiting = f" +{queued} queued" if queued else ""
    before = f" +{old} old" if old else ""
    return f"{sum(state.sessions for state in states)}{waiting}{before}"


def _weight(state: ServerState, noted: NodeProgress | None) -> str:
    """The server's weight; `10 of 100` while its warm-up has not reached its own weight."""
    before = None if noted is None else noted.server_before(state.server)
    if before is None or not before.is_warming(state):
        return str(state.weight)
    return f"{state.weight} of {before.weight}"


def _admin(admin: AdminState) -> str:
    if admin.in_maintenance:
        return "maint"
    return "drain" if admin.in_drain else "ready"


def _release(health: HealthSeen | None) -> str:
    return (health and health.release) or "–"


def _health(health: HealthSeen | None) -> str:
    """The health page's status and the fault of its answer, or why there is no answer."""
    if health is None:
        return "–"
    if health.status is None:
        return health.detail
    return str(health.status) if health.healthy else f"{health.status} ({health.detail})"
