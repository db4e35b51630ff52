"""A deployment: its steps, its outcome, and the states of its nodes."""

from __future__ import annotations

from enum import StrEnum, auto


class Step(StrEnum):
    """A step of a node. The steps are done in this order."""

    PREPARE = "prepare"
    DRAIN = "drain"
    RELEASE = "release"
    RESTART = "restart"
    VERIFY = "verify"
    READY = "ready"
    BAKE = "bake"


class Outcome(StrEnum):
    """The end of a deployment."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Verdict(StrEnum):
    """The verdict on a release."""

    PASS = auto()
    FAIL = auto()
    UNDECIDED = auto()
    """There were not enough requests."""
    EVERYWHERE = auto()
    """The other nodes have a problem, too, so the release is not to blame."""


class NodeState(StrEnum):
    """The state of a node, judged from all of its servers on all load balancers."""

    READY = "ready"
    DRAINING = "draining"
    DRAINED = "drained"
    MAINT = "maint"
    DOWN = "down"
    UNKNOWN = "unknown"
