"""One look at a service, as `status --watch` shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout.decisions.node_state import SiteStatus
from rollout.decisions.progress import Progress


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a service."""

    title: str
    """The service and its last deployment."""
    status: SiteStatus
    running: Progress | None
    """The deployment that runs, if one does."""
    notes: Sequence[str]
    """What else is to be said: contradictions, what is not known, what to run next."""
