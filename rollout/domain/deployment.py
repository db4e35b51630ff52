"""A deployment: its steps, its outcome, and the states of its nodes."""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """What is done to one node, in this order."""

    PREPARE = "prepare"
    DRAIN = "drain"
    RELEASE = "release"
    RESTART = "restart"
    VERIFY = "verify"
    READY = "ready"
    BAKE = "bake"


class Outcome(StrEnum):
    """How a deployment ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class NodeState(StrEnum):
    """What a node is, judged from all of its servers on all load balancers."""

    READY = "ready"
    DRAINING = "draining"
    DRAINED = "drained"
    MAINT = "maint"
    DOWN = "down"
    UNKNOWN = "unknown"
