"""The output of `rollout history`. Deployments are given oldest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rollout.decisions.summary import Summary
from rollout.views.text import duration


def text(service: str, deployments: Sequence[Summary]) -> Iterator[str]:
    """For people: a line for each deployment, with the time of day here."""
    if not deployments:
        yield f"{service} has not been deployed yet"
    for deployment in deployments:
        yield _line(deployment)


def document(deployments: Sequence[Summary]) -> list[dict[str, object]]:
    """For programs: an object for each deployment, with times in UTC."""
    return [_object(deployment) for deployment in deployments]


def _line(deployment: Summary) -> str:
    begun = datetime.fromtimestamp(deployment.started or 0).strftime("%Y-%m-%d %H:%M")
    took = duration(deployment.seconds) if deployment.seconds is not None else "–"
    nodes = f"{deployment.done} of {deployment.total}"
    back = f" · rollback of {deployment.rollback_of}" if deployment.rollback_of else ""
    out = f" · left out: {', '.join(deployment.left_out)}" if deployment.left_out else ""
    return (
        f"{deployment.deployment:5}  {begun}  {deployment.release or 'restart':20} "
        f"{_outcome(deployment):12} {nodes:>9}  {took:>8}  {deployment.user}@{deployment.host}{back}{out}"
    )


def _object(deployment: Summary) -> dict[str, object]:
    return {
        "deployment": deployment.deployment,
        "started": datetime.fromtimestamp(deployment.started or 0, UTC).isoformat(),
        "release": deployment.release,
        "rollback_of": deployment.rollback_of,
        "outcome": _outcome(deployment),
        "seconds": deployment.seconds,
        "nodes": deployment.total,
        "done": deployment.done,
        "failed": deployment.failed,
        "left_out": list(deployment.left_out),
        "user": deployment.user,
        "host": deployment.host,
    }


def _outcome(deployment: Summary) -> str:
    """How the deployment ended, in a word; `unfinished` if it has no outcome."""
    return deployment.outcome.value if deployment.outcome is not None else "unfinished"
