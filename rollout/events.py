"""Events: the facts of a deployment. The journal keeps them; every screen and decision is a fold over them.

An event is recorded before a step is tried, and again when its outcome is known. Fields are plain values, so
that an event is a line of JSON and is read back equal. A new field needs a default, so that old journals can
be read. Fields named `seconds` are durations. All kinds stand in this one file, long as it is, because
together they are the format of the journal and of `--output json`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from rollout.domain import Outcome, Standing, Step, Verdict

INTERRUPTED = "interrupted"
"""The reason of a step that failed since somebody ended it: nothing was wrong with its node."""


@dataclass(frozen=True)
class Event:
    """A fact. Its kind in JSON is the name of its class: other programs depend on that and on the fields."""


@dataclass(frozen=True)
class DeploymentStarted(Event):
    """A deployment began, with this plan."""

    service: str
    release: str | None
    """`None` for a rolling restart."""
    nodes: tuple[str, ...]
    """In the order in which they will be rolled."""
    skipped: tuple[str, ...]
    """Nodes that are not touched, since somebody else keeps them out."""
    load_balancers: tuple[str, ...]
    window: int
    """How many nodes may be out at once."""
    canary: int
    """How many nodes are rolled first; 0 for none."""
    inventory: str
    """Path, as it was given."""
    user: str
    host: str
    """Name of the machine that deploys."""
    pid: int
    releases: dict[str, str] = field(default_factory=dict)
    """Release by node, for each node that gets a release other than `release`."""
    rollback_of: int | None = None
    """Number of the deployment whose nodes go back to what they ran before it."""
    on_failure: str = "halt"
    """The consequence of a failure: `halt` or `rollback`."""
    on_judged: str = "halt"
    """The consequence of a release that is judged bad: `halt` or `rollback`."""
    waves: tuple[int, ...] = ()
    """Number of nodes in each wave, in order."""
    balanced: bool = True
    """Whether any load balancer sends requests to the nodes, so that a node can be left out."""
    job: str = ""
    """Address of the CI job that deploys; empty where none is known."""
    version: str = ""
    """That of rollout."""
    bake: float | None = None
    """Seconds for which each node bakes; `None` in a journal of an older rollout."""


@dataclass(frozen=True)
class DeploymentResumed(Event):
    """An interrupted or halted deployment continued with `nodes`. Its other nodes are finished, and stay
    so."""

    nodes: tuple[str, ...]
    """In the order in which they will be rolled."""
    skipped: tuple[str, ...]
    """Nodes that are not touched, since somebody else keeps them out."""
    user: str
    host: str
    """Name of the machine that deploys."""
    pid: int
    job: str = ""
    """Address of the CI job that deploys; empty where none is known."""

    bake: float | None = None
    """Seconds for which each node bakes; `None` in a journal of an older rollout."""


@dataclass(frozen=True)
class CapacityPlanned(Event):
    """The backend of a load balancer that has the fewest servers to spare while nodes are out."""

    load_balancer: str
    backend: str
    now: int
    """Servers that are ready now."""
    least: int
    """The fewest that will be ready while nodes are out."""
    floor: int
    """The fewest that `strategy.min_ready` allows; 1 without it."""


@dataclass(frozen=True)
class ServerNoted(Event):
    """A server of a node was seen in this state before anything was touched."""

    node: str
    load_balancer: str
    backend: str
    server: str
    admin: int
    """The flags of `AdminState`."""
    weight: int
    """In units of HAProxy's configuration."""
    status: str
    """HAProxy's word, such as `UP`."""
    warmup: tuple[int, ...] = ()
    """Lower weights, rising, by which the server is brought back to `weight`."""
    standing: Standing = Standing.UP
    """How HAProxy's check had found it: `up`, `alone` in its backend, `down` on a node that was well, or
    `broken`."""
    agent: bool = False
    """Whether HAProxy asked its agent (`agent-check`)."""


@dataclass(frozen=True)
class ReleaseNoted(Event):
    """A node ran this release before anything was touched, by its health page or an earlier deployment."""

    node: str
    release: str


@dataclass(frozen=True)
class StepStarted(Event):
    """A step of a node is about to be tried."""

    node: str
    step: Step


@dataclass(frozen=True)
class CommandSent(Event):
    """A shell line or a line of runtime commands is about to be sent."""

    node: str
    step: Step
    target: str
    """Name of the node or load balancer that gets it."""
    line: str


@dataclass(frozen=True)
class OutputSeen(Event):
    """A command printed a line."""

    node: str
    step: Step
    text: str
    """The line, without its line end."""


@dataclass(frozen=True)
class Progressed(Event):
    """A running step waits for something."""

    node: str
    step: Step
    detail: str
    """What the step waits for."""
    sessions: int | None = None
    """Sessions that are left on the node, over all load balancers."""


@dataclass(frozen=True)
class Waited(Event):
    """A step that ended has waited for something, perhaps several times."""

    node: str
    step: Step
    detail: str
    """What it waited for, and for whom, where that was known."""
    seconds: float
    """All times together."""


@dataclass(frozen=True)
class StepFinished(Event):
    """A step of a node succeeded."""

    node: str
    step: Step
    seconds: float
    detail: str = ""


@dataclass(frozen=True)
class StepFailed(Event):
    """A step of a node failed."""

    node: str
    step: Step
    seconds: float
    reason: str
    hint: str | None = None
    tail: tuple[str, ...] = ()
    """The last lines that the node printed, oldest first."""
    unknown: bool = False
    """Whether the answer to a command was lost: only a look at the node can tell if it worked."""
    changed_by_others: bool = False
    """Whether somebody else changed a server. What they set stays."""
    fell: bool = False
    """Whether the node had been put back, and a health check took it out of rotation again."""


@dataclass(frozen=True)
class HookStarted(Event):
    """A shell line of `hooks:` is about to be run."""

    hook: str
    """Its key in `hooks:`."""
    node: str | None
    """`None` for a hook of the whole deployment."""
    on: str
    """`here`, on the machine that deploys, or `node`."""
    line: str


@dataclass(frozen=True)
class HookPrinted(Event):
    """A hook printed a line."""

    hook: str
    node: str | None
    text: str
    """The line, without its line end."""


@dataclass(frozen=True)
class HookEnded(Event):
    """A hook ended."""

    hook: str
    node: str | None
    seconds: float
    failure: str = ""
    """Why it failed; empty if it did not."""


@dataclass(frozen=True)
class OpinionHeard(Event):
    """Prometheus or the judge's command replied to a question about a node that bakes.

    Of several replies in a row that are good, or no answer, only the first is recorded.
    """

    node: str
    source: str
    """`prometheus` or `command`."""
    reply: str
    """`good`, `bad` or `none`."""
    reason: str
    shadow: bool = False
    """Whether it decides nothing."""


@dataclass(frozen=True)
class Judged(Event):
    """The judge compared what users got from nodes with the new release with what they got from others."""

    nodes: tuple[str, ...]
    verdict: Verdict
    reason: str
    """The figures that decide, in words."""
    requests: int
    """Requests to `nodes`."""
    errors: int
    """Requests among them that failed."""
    others: str
    """What they were compared with, such as `web2…web6 on 1.4.1`."""
    others_requests: int
    others_errors: int


@dataclass(frozen=True)
class NodeFinished(Event):
    """All steps of a node succeeded."""

    node: str
    seconds: float


@dataclass(frozen=True)
class NodeFailed(Event):
    """A step of a node failed, and the node was put into a safe state."""

    node: str
    left_out: bool
    """Whether it takes no traffic. Otherwise it was put back as it was, its application untouched."""
    forgotten_by: tuple[str, ...] = ()
    """The load balancers whose reload or restart puts it back, since only their running process knows."""


@dataclass(frozen=True)
class NodeReturned(Event):
    """A node that was left out serves again: somebody brought it back."""

    node: str


@dataclass(frozen=True)
class Warned(Event):
    """Something is wrong, but the deployment continues."""

    message: str
    node: str | None = None


@dataclass(frozen=True)
class Halted(Event):
    """No further node starts. Those in flight finish."""

    reason: str
    gave_up: bool = False
    """Whether failures led to it; otherwise somebody asked for it."""
    judged: bool = False
    """Whether the new release gave users worse answers."""


@dataclass(frozen=True)
class Paused(Event):
    """No further node starts until somebody promotes the deployment, or what it waits for is over."""

    reason: str


@dataclass(frozen=True)
class WentOn(Event):
    """A pause is over."""

    reason: str


@dataclass(frozen=True)
class Served(Event):
    """One release answered users while the deployment ran, as all load balancers counted it."""

    release: str
    """Its name; words such as `the old release` where it has none."""
    requests: int
    """Requests that its servers answered, or should have."""
    errors: int
    """Requests among them that users saw fail: with a 5xx, with an answer that broke off, or with none."""


@dataclass(frozen=True)
class UsersSaw(Event):
    """Users got these answers from the service's backends while the deployment ran, as all load balancers
    counted them."""

    requests: int
    """Requests that ended, answered or not. One that HAProxy sent to several servers is one request."""
    errors: int
    """Requests among them that failed: with a 5xx, with an answer that broke off, or with none."""
    by_haproxy: int
    """Errors among them that no server gave: none was up, or none could be reached."""


@dataclass(frozen=True)
class Probed(Event):
    """The public address of the service was probed while the deployment ran."""

    asked: int
    """Number of probes."""
    failed: int
    """Probes that got no answer, or a 5xx."""
    median: float
    """Milliseconds until an answer."""
    longest: float
    """Milliseconds until the slowest answer."""


@dataclass(frozen=True)
class Sampled(Event):
    """What users, load balancers and the probe showed up to now, since the try began.

    There is at most one a second, fewer in a long deployment, and none while nothing changes.
    """

    releases: tuple[str, ...]
    """The releases that have answered, as in `Served`."""
    requests: tuple[int, ...]
    """Requests to the servers of each of them."""
    errors: tuple[int, ...]
    """Requests among them that users saw fail."""
    by_haproxy: int
    """Errors that no server gave."""
    sessions: dict[str, int]
    """Sessions on the nodes now, by load balancer."""
    ready: dict[str, int]
    """Servers that take traffic now in the backend that `CapacityPlanned` names, by load balancer."""
    probes: int
    probe_failures: int
    probe_milliseconds: int
    """The slowest answer to a probe since the last sample."""


@dataclass(frozen=True)
class DeploymentFinished(Event):
    """A deployment ended."""

    outcome: Outcome
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Record:
    """An event as the journal holds it."""

    deployment: int
    """Number of the deployment."""
    sequence: int
    """Counts from 1 within the deployment; 0 for an event that the journal does not have."""
    time: float
    """Unix time."""
    event: Event
    epoch: int = 0
    """The epoch of the lock in which it happened; 0 where the lock has none."""


KINDS: Mapping[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}
"""Every class of event, by its kind in JSON."""


def to_fields(event: Event) -> dict[str, Any]:
    """The fields of `event`, as JSON can hold them."""
    return {item.name: getattr(event, item.name) for item in dataclasses.fields(event)}


def from_fields(kind: str, fields: Mapping[str, Any]) -> Event | None:
    """The event whose fields `to_fields` gave; `None` for one that only a newer version understands."""
    event = KINDS.get(kind)
    if event is None:
        return None
    readers = _readers(kind)
    try:
        return event(**{name: readers[name](value) for name, value in fields.items() if name in readers})
    except (TypeError, ValueError):
        return None


_ENUMERATIONS = (Step, Outcome, Standing, Verdict)


@functools.cache
def _readers(kind: str) -> Mapping[str, Callable[[Any], Any]]:
    """What makes the value of each field of what JSON holds, which has no tuples and no enumerations. There
    may be thousands of events of a kind."""
    hints = get_type_hints(KINDS[kind])
    return {name: hint if hint in _ENUMERATIONS else _plain for name, hint in hints.items()}


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
