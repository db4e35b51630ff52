"""The summary of a deployment: what `history` shows of it, so that old deployments need not be folded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollout.decisions.progress import NodeProgress, Progress
from rollout.domain import Outcome


@dataclass(frozen=True, slots=True)
class Summary:
    """A deployment in short. Its fields are those of `Progress`; `total`, `done` and `failed` count nodes."""

    deployment: int
    started: float | None
    release: str | None
    rollback_of: int | None
    outcome: Outcome | None
    seconds: float | None
    total: int
    done: int
    failed: int
    left_out: tuple[str, ...]
    in_doubt: tuple[str, ...]
    user: str
    host: str
    pid: int
    epoch: int = 0
    """The epoch of the lock in which it was carried out last; 0 for one by an older rollout."""
    took: float | None = None
    """Seconds of all tries together; `seconds` are those of the last one."""
    tries: int = 1
    reason: str = ""
    """Why it ended as it did; empty if all went well, and for one by an older rollout."""
    first_failure: str = ""
    """The first failure of any node in any try, in words."""
    nodes: Mapping[str, str] = field(default_factory=dict)
    """The progress of each node in a word, by its name; empty for one by an older rollout."""
    job: str = ""
    """Address of the CI job that carried it out last; empty where none is known."""
    ended: float | None = None

    @property
    def running(self) -> bool:
        """Whether the deployment was started and has no outcome yet."""
        return self.started is not None and self.outcome is None


def summary_of(progress: Progress) -> Summary:
    """The summary of a deployment as far as it has come."""
    known = {item.name: getattr(progress, item.name) for item in dataclasses.fields(Summary)}
    return Summary(**{**known, "nodes": {node.name: node.phase.value for node in progress.nodes.values()}})


def changes_summary(before: Progress, after: Progress, names: Iterable[str]) -> bool:
    """Whether an event of the nodes in `names` changes the summary."""
    if before.first_failure != after.first_failure:
        return True
    return any(_in_summary(before.nodes.get(name)) != _in_summary(after.nodes.get(name)) for name in names)


def _in_summary(node: NodeProgress | None) -> tuple[object, ...]:
    return () if node is None else (node.phase, bool(node.left_out), node.in_doubt)


def summary_document(progress: Progress) -> dict[str, Any]:
    """The summary as the journal keeps it, beside the deployment's number."""
    document = dataclasses.asdict(summary_of(progress))
    del document["deployment"]
    return document


def read_summary(deployment: int, document: Mapping[str, Any]) -> Summary:
    """The summary of which `document` was made. Raises TypeError, ValueError for any other."""
    known = {item.name for item in dataclasses.fields(Summary)}
    fields = {name: value for name, value in document.items() if name in known}
    fields["outcome"] = None if fields.get("outcome") is None else Outcome(fields["outcome"])
    for name in ("left_out", "in_doubt"):
        fields[name] = tuple(fields[name])
    return Summary(deployment, **fields)
