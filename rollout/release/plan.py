"""What every way to get a release is: what is sent while the node serves, and what is done when drained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rollout.domain import Content
from rollout.remote.agent import AgentInput

Fill = Callable[[str], str]
"""Fills in `{host}`, `{node}` and `{release}`."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What is sent to a node, and kept there under the name of the release."""

    source: Path
    packed: bool
    """Whether it is packed here; else it is an archive already."""
    of_one_release: bool
    """The source bears the release's name, so that it is never another one's."""
    bandwidth: float | None
    """Bytes a second, at most."""
    shown: str
    look: str
    """A shell line that touches nothing. It fails where nothing could be put there; its last line says why,
    else it is `there SHA256`, or `missing FREE` with the bytes that are free."""
    receive: Callable[[Content], AgentInput]
    keep: str
    """A shell line for a release that is there: it will soon be switched to."""


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """One way to get a release, ready to be carried out. `timeout` is in seconds, for each part of it."""

    timeout: float
    command: str
    """A shell line on the node."""
    shown: str = ""
    """What people are shown in place of a command that is a whole program. The last line that such a
    program prints before it fails says why."""
    upload: Upload | None = None
