"""The parts of a release: the upload while a node serves, and the work once it is drained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rollout.domain import Content
from rollout.remote.agent import AgentInput


@dataclass(frozen=True, slots=True)
class Upload:
    """A file or folder that is sent to a node, and kept there under the name of the release."""

    source: Path
    packed: bool
    """Whether rollout packs the source; otherwise it is an archive already."""
    of_one_release: bool
    """Whether the source bears the release's name, so that it cannot belong to another release."""
    bandwidth: float | None
    """Bytes a second, at most."""
    shown: str
    look: str
    """A shell line that touches nothing. It fails if the release could not be put there, and its last line
    says why. Otherwise the last line is `there SHA256`, or `missing FREE` with the number of free bytes."""
    receive: Callable[[Content], AgentInput]
    keep: str
    """A shell line that prepares a release which is there for the switch."""


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """The plan for putting a release on a node. `timeout` is in seconds, for each part of it."""

    timeout: float
    command: str
    """A shell line on the node."""
    shown: str = ""
    """The line to show people in place of a command that is a whole program. The last line that such
    a program prints before it fails says why."""
    upload: Upload | None = None
    undo: str | None = None
    """A shell line that makes the switch undone, for where the release was refused before anything ran it."""
