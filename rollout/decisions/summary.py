"""The summary of a deployment: what `history` shows of it, so that old deployments need not be folded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollout.decisions.progress import Progress
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

    @property
    def running(self) -> bool:
        """Whether the deployment was started and has no outcome yet."""
        return self.started is not None and self.outcome is None


def summary_of(progress: Progress) -> Summary:
    """The summary of a deployment as far as it has come."""
    return Summary(**{field.name: getattr(progress, field.name) for field in dataclasses.fields(Summary)})


def summary_document(progress: Progress) -> dict[str, Any]:
    """The summary as the journal keeps it, beside the deployment's number."""
    document = dataclasses.asdict(summary_of(progress))
    del document["deployment"]
    return document


def read_summary(deployment: int, document: Mapping[str, Any]) -> Summary:
    """The summary of which `document` was made. Raises TypeError, ValueError for any other."""
    known = {field.name for field in dataclasses.fields(Summary)}
    fields = {name: value for name, value in document.items() if name in known}
    fields["outcome"] = None if fields.get("outcome") is None else Outcome(fields["outcome"])
    for name in ("left_out", "in_doubt"):
        fields[name] = tuple(fields[name])
    return Summary(deployment, **fields)
