"""One configuration of SSH, in which `rollout` must do what `ssh` does.

In its texts, `{NODE}`, `{PORT}` and the other names of `SshLab.names` stand for what the lab has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One configuration."""

    name: str
    config: str = ""
    """`~/.ssh/config`; the node's address and port come after it, unless `bare`."""
    bare: bool = False
    host: str = "web1"
    target: Mapping[str, Any] = field(default_factory=dict)
    """What the inventory says: `user`, `port`, `jump`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    known: str | None = None
    """`~/.ssh/known_hosts`, where it is not that of the lab."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Further files, relative to the home, or absolute below /etc/ssh."""
    refused: str | None = None
    """What rollout's error says, where it does not do what `ssh` does; or where neither connects."""


WHERE = "\nHost web1 21\n  HostName {NODE}\n  Port {PORT}\n"
