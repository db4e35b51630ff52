"""A deployment: its steps, its outcome, and the states of its nodes."""

from __future__ import annotations

from enum import StrEnum


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


class NodeState(StrEnum):
    """The state of a node, judged from all of its servers on all load balancers."""

    READY = "ready"
    DRAINING = "draining"
    DRAINED = "drained"
    MAINT = "maint"
    DOWN = "down"
    UNKNOWN = "unknown"
