"""The facts of a deployment. The journal keeps them; every screen, report and decision is a fold over them.

An event is written down before a step is tried and after it is known. Fields are plain values, so that
an event is a line of JSON and comes back equal. A new field needs a default: old journals stay readable.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from rollout.domain import Outcome, Server, Step
from rollout.masks import is_same


@dataclass(frozen=True)
class Event:
    """One fact. Its kind in JSON is the name of its class."""


@dataclass(frozen=True)
class DeploymentStarted(Event):
    service: str
    release: str | None
    """`None` is a rolling restart."""
    nodes: tuple[str, ...]
    """In the order in which they will be rolled."""
    skipped: tuple[str, ...]
    load_balancers: tuple[str, ...]
    window: int
    canary: int
    inventory: str
    """Path, as it was given."""
    user: str
    host: str
    pid: int
    releases: dict[str, str] = field(default_factory=dict)
    """What a node gets where that is not `release`."""
    rollback_of: int | None = None
    """The deployment whose nodes go back to what they ran before it."""
    on_failure: str = "halt"
    """Or `rollback`."""
    on_judged: str = "halt"
    """The same for a release that was judged bad."""
    waves: tuple[int, ...] = ()
    """How many nodes are rolled before the next ones."""
    balanced: bool = True
    """Some load balancer sends requests to the nodes, so that one can be left out."""


@dataclass(frozen=True)
class DeploymentResumed(Event):
    """An interrupted or halted deployment goes on. Other nodes of it are finished, and not touched again."""

    nodes: tuple[str, ...]
    """In the order in which they will be rolled."""
    skipped: tuple[str, ...]
    user: str
    host: str
    pid: int


@dataclass(frozen=True)
class ServerNoted(Event):
    """One of a node's servers as it was before anything was touched."""

    node: str
    load_balancer: str
    backend: str
    server: str
    admin: int
    weight: int
    status: str
    warmup: tuple[int, ...] = ()
    """The lower weights by which it is brought back to `weight`."""

    def is_of(self, server: Server) -> bool:
        """Whether it is this server that was noted, its names masked or not."""
        noted = zip((self.backend, self.server), (server.backend, server.name), strict=True)
        return self.load_balancer == server.load_balancer and all(is_same(*names) for names in noted)


@dataclass(frozen=True)
class ReleaseNoted(Event):
    """What a node ran before anything was touched: its health page told, or an earlier deployment did."""

    node: str
    release: str


@dataclass(frozen=True)
class StepStarted(Event):
    node: str
    step: Step


@dataclass(frozen=True)
class CommandSent(Event):
    """A shell line or a line of runtime commands is about to be sent to `target`."""

    node: str
    step: Step
    target: str
    line: str


@dataclass(frozen=True)
class OutputSeen(Event):
    """One line that a command printed, without its line end."""

    node: str
    step: Step
    text: str


@dataclass(frozen=True)
class Progressed(Event):
    """What a running step waits for. `sessions` counts those left over all load balancers."""

    node: str
    step: Step
    detail: str
    sessions: int | None = None


@dataclass(frozen=True)
class StepFinished(Event):
    node: str
    step: Step
    seconds: float
    detail: str = ""


@dataclass(frozen=True)
class StepFailed(Event):
    node: str
    step: Step
    seconds: float
    reason: str
    hint: str | None = None
    tail: tuple[str, ...] = ()
    unknown: bool = False
    """A command was sent and its answer was lost: whether it worked must be observed."""
    changed_by_others: bool = False
    """Somebody else changed a server: what they set stays."""


@dataclass(frozen=True)
class HookStarted(Event):
    """A shell line of `hooks:` is about to be run. `node` is `None` for those of the whole deployment."""

    hook: str
    node: str | None
    on: str
    """`here`, on the machine that deploys, or `node`."""
    line: str


@dataclass(frozen=True)
class HookPrinted(Event):
    """One line that a hook printed, without its line end."""

    hook: str
    node: str | None
    text: str


@dataclass(frozen=True)
class HookEnded(Event):
    hook: str
    node: str | None
    seconds: float
    failure: str = ""
    """Why it failed; empty if it did not."""


@dataclass(frozen=True)
class NodeFinished(Event):
    node: str
    seconds: float


@dataclass(frozen=True)
class NodeFailed(Event):
    node: str
    left_out: bool
    """It takes no traffic. Otherwise it was put back as it was, its application untouched."""


@dataclass(frozen=True)
class NodeReturned(Event):
    """A node that had been left out serves again, by hand."""

    node: str


@dataclass(frozen=True)
class Warned(Event):
    message: str
    node: str | None = None


@dataclass(frozen=True)
class Halted(Event):
    """No further node starts; those in flight finish."""

    reason: str
    gave_up: bool = False
    """Because of failures, and not because somebody asked."""
    judged: bool = False
    """Because users get worse answers from the new release."""


@dataclass(frozen=True)
class Paused(Event):
    """No further node starts until somebody says so, or what it waits for is over."""

    reason: str


@dataclass(frozen=True)
class WentOn(Event):
    """A pause is over."""

    reason: str


@dataclass(frozen=True)
class Served(Event):
    """What users got from one release while the deployment ran, as all load balancers counted it."""

    release: str
    """What it is called; the old one may have no name."""
    requests: int
    errors: int


@dataclass(frozen=True)
class Probed(Event):
    """What the service's public address answered while the deployment ran. Times are milliseconds."""

    asked: int
    failed: int
    median: float
    longest: float


@dataclass(frozen=True)
class DeploymentFinished(Event):
    outcome: Outcome
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Record:
    """An event as the journal holds it. `sequence` counts from 1 in its deployment; `time` is Unix time."""

    deployment: int
    sequence: int
    time: float
    event: Event


KINDS: Mapping[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}


def to_fields(event: Event) -> dict[str, Any]:
    """The event's fields as JSON can hold them."""
    return {item.name: getattr(event, item.name) for item in dataclasses.fields(event)}


def from_fields(kind: str, fields: Mapping[str, Any]) -> Event | None:
    """The event that `to_fields` wrote; `None` for one that only a newer version understands."""
    event = KINDS.get(kind)
    if event is None:
        return None
    hints = get_type_hints(event)
    try:
        return event(**{name: _typed(hints[name], value) for name, value in fields.items() if name in hints})
    except (TypeError, ValueError):
        return None


def _typed(hint: Any, value: Any) -> Any:
    """JSON has no tuples and no enumerations: bring the value back to what the field holds."""
    if hint in (Step, Outcome):
        return hint(value)
    return tuple(value) if isinstance(value, list) else value
