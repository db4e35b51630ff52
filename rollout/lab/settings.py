"""What can be chosen of a lab."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MOST_NODES = 200
MOST_LOAD_BALANCERS = 9


@dataclass(frozen=True, slots=True)
class Settings:
    """A lab like production: the defaults are those of `rollout lab up`."""

    nodes: int = 3
    load_balancers: int = 1
    start: float = 1.0
    """Seconds that the application takes to start, beside those of Python itself."""
    drain: Literal["runtime", "health-page"] = "runtime"
    window: str = "25%"
    workers: int = 1
    """gunicorn's, per node."""
    kill: bool = False
    """A restart kills the application where it stands, in the middle of requests."""
    haproxy: str = "haproxy"
    """The program, by name or path."""
    inter: str = "500ms"
    rise: int = 2
    fall: int = 2
    retries: int = 3
    redispatch: bool = True
    sticky: bool = False
    """Clients are pinned to a server by a cookie."""
    backend_lines: tuple[str, ...] = ()
    """More lines for each backend of HAProxy."""


def default_directory() -> Path:
    """Where a lab lives unless another folder is chosen."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "rollout" / "lab"


def command(action: str, directory: Path) -> str:
    """`rollout lab ACTION` as it is typed for the lab in that folder."""
    usual = directory.resolve() == default_directory().resolve()
    return f"rollout lab {action}" + ("" if usual else f" --directory {shlex.quote(str(directory))}")
