"""The words for what was done to a node."""

from __future__ import annotations

from rollout.domain import Step

PAST = {
    Step.PREPARE: "prepared",
    Step.DRAIN: "drained",
    Step.RELEASE: "released",
    Step.RESTART: "restarted",
    Step.VERIFY: "healthy",
    Step.READY: "ready",
    Step.BAKE: "baked",
}
"""A step that is done, in a word."""
