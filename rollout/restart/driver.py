"""The parts of a restart driver: the commands of a restart, and a proof that it happened.

"The command ended well" is no proof: a driver that can look at the application before and after does, and
compares what it saw. Many drivers have an agent do that on the node: `by_agent` makes their plan.

Nor does a look at one moment prove anything: whatever a driver has started must live for `STEADY` seconds.
Where each new worker has to show that it works, that is the proof instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self, TypeVar

from rollout.agents.common import acting
from rollout.remote.agent import on_node

STEADY = 3.0
"""Seconds for which what a driver has started must live: a release that dies at once, or while it starts, has
died by then."""


class ProofStatus(StrEnum):
    DONE = "done"
    WAIT = "wait"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProofResult:
    """The present result of a proof; `detail` says it in words."""

    status: ProofStatus
    detail: str
    kept: bool = field(default=False, compare=False)
    """Whether, after a restart that failed, what ran before runs on as it did."""
    anew: bool = field(default=False, compare=False)
    """Whether what was proved has changed since, and must live for `STEADY` seconds from now on."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A shell line that is run before the restart and again after it, until `compare` is satisfied.

    `compare` gets what the line printed before and after. From then on `compare_life` gets what it printed
    when the proof was there, and what it prints now: what was started must still live.
    """

    observe: str
    compare: Callable[[str, str], ProofResult]
    compare_life: Callable[[str, str], ProofResult]
    stopped: Callable[[str], str] = lambda before: ""
    """Why there is nothing to restart, from what the line printed before; empty if the command may be run."""


@dataclass(frozen=True, slots=True)
class Job:
    """A shell line that touches nothing, and `under_way`, which reads in its output what another program
    still does with the application, in words; empty if it does nothing."""

    observe: str
    under_way: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Ask:
    """An HTTP request that restarts the application. It is sent by the machine that rollout runs on."""

    method: str
    url: str


@dataclass(frozen=True, slots=True)
class RestartPlan:
    """The plan for restarting an application on a node. `timeout` is in seconds, for all of it."""

    timeout: float
    command: str | None = None
    """A shell line on the node."""
    ask: Ask | None = None
    shown: str = ""
    """The line to show people in place of a command that is a whole program. The last line that such
    a program prints before it fails says why."""
    proof: Proof | None = None
    explain: str | None = None
    """A shell line on the node whose output tells a person why the restart failed."""
    job: Job | None = None
    """What goes on in another program when the command itself has long ended."""
    precheck: str | None = None
    """A shell line that touches nothing, and fails where the restart could not be carried out, with a status
    of `agents.common.talk` where the application does not run, or is not on the node."""
    looks_again: bool = False
    """Whether the precheck is run once more right before the command, with the release on the disk: for a
    command that does not look itself."""
    start: str | None = None
    """A shell line on the node that starts the application where it does not run."""
    part: str = ""
    """The name of the restart where it is one of several; empty for the only one."""


class RestartOptions(Protocol):
    """The options of an agent that restarts an application."""

    @property
    def timeout(self) -> float:
        """Seconds after which nobody waits for the agent."""

    @property
    def check(self) -> bool:
        """Whether the agent only looks if the restart could be carried out, and touches nothing."""

    def _asdict(self) -> dict[str, Any]: ...

    def _replace(self, *, check: bool = ...) -> Self: ...


AgentOptions = TypeVar("AgentOptions", bound=RestartOptions)


def by_agent(
    main: Callable[[AgentOptions], None],
    options: AgentOptions,
    *,
    shown: str,
    acting_for: acting.Options | None = None,
) -> RestartPlan:
    """The plan of a restart that an agent carries out and proves: the agent looks first, with `check`."""
    return RestartPlan(
        timeout=options.timeout,
        command=on_node(main, options, acting_for=acting_for),
        shown=shown,
        precheck=on_node(main, options._replace(check=True), acting_for=acting_for),
    )
