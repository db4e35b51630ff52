"""The output of `rollout history`. Deployments are given oldest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.decisions.summary import Summary
from rollout.domain import Outcome
from rollout.views.next_commands import command_line
from rollout.views.text import duration
from rollout.views.times import day, utc

_LONGEST = 100
"""Characters of a reason that fit a line."""


def text(deployments: Sequence[Summary], node: str = "") -> Iterator[str]:
    """For people: a line for each deployment, with the time of day here; with what became of `node`, if one
    is asked about."""
    rows = [_cells(deployment, node) for deployment in deployments]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for deployment, row in zip(deployments, rows, strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"{deployment.deployment:5}  {cells}{_more(deployment)}".rstrip()


def nothing(service: str, inventory: str, *, asked_for: str) -> Iterator[str]:
    """For people: there is no deployment, or none that was `asked_for`, and what to run."""
    if asked_for:
        yield f"no deployment of {service} {asked_for}; all of them: {command_line('history', inventory)}"
        return
    yield f"{service} has not been deployed yet"
    yield f"see what a deployment would do: {command_line('plan', inventory, '--release', 'RELEASE')}"
    yield f"deploy:                         {command_line('deploy', inventory, '--release', 'RELEASE')}"


def document(deployments: Sequence[Summary]) -> list[dict[str, object]]:
    """For programs: an object for each deployment, with times in UTC."""
    return [_object(deployment) for deployment in deployments]


def _cells(deployment: Summary, node: str) -> tuple[str, ...]:
    took = _took(deployment)
    return (
        day(deployment.started or 0.0),
        deployment.release or "restart",
        _outcome(deployment),
        *([f"{node} {deployment.nodes.get(node, 'there')}"] if node else []),
        f"{deployment.done} of {deployment.total}",
        "–" if took is None else duration(took),
        f"{deployment.user}@{deployment.host}",
    )


def _more(deployment: Summary) -> str:
    """What not every deployment has: a rollback, several tries, left-out nodes, and the reason."""
    parts = []
    if deployment.rollback_of:
        parts.append(f"rollback of {deployment.rollback_of}")
    if deployment.tries > 1:
        parts.append(f"{deployment.tries} tries")
    if deployment.left_out:
        parts.append(f"left out: {', '.join(deployment.left_out)}")
    if deployment.outcome is Outcome.FAILED:
        parts.append(_cut(deployment.first_failure or deployment.reason))
    elif deployment.reason:
        parts.append(_cut(deployment.reason))
    elif deployment.first_failure:
        parts.append(f"at first: {_cut(deployment.first_failure)}")
    if deployment.job:
        parts.append(deployment.job)
    return "".join(f" · {part}" for part in parts)


def _cut(reason: str) -> str:
    """The beginning of a reason; `rollout show` has all of it."""
    return reason if len(reason) <= _LONGEST else f"{reason[: _LONGEST - 1]}…"


def _took(deployment: Summary) -> float | None:
    """Seconds of all tries together; an older rollout kept those of the last one."""
    return deployment.seconds if deployment.took is None else deployment.took


def _object(deployment: Summary) -> dict[str, object]:
    return {
        "deployment": deployment.deployment,
        "started": utc(deployment.started or 0.0),
        "ended": utc(deployment.ended),
        "release": deployment.release,
        "rollback_of": deployment.rollback_of,
        "outcome": _outcome(deployment),
        "reason": deployment.reason,
        "first_failure": deployment.first_failure,
        "tries": deployment.tries,
        "seconds": _took(deployment),
        "nodes": deployment.total,
        "done": deployment.done,
        "failed": deployment.failed,
        "left_out": list(deployment.left_out),
        "node_states": dict(deployment.nodes),
        "user": deployment.user,
        "host": deployment.host,
        "job": deployment.job,
    }


def _outcome(deployment: Summary) -> str:
    """How the deployment ended, in a word; `unfinished` if it has no outcome."""
    return deployment.outcome.value if deployment.outcome is not None else "unfinished"
