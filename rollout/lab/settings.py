"""Settings of a lab."""

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
    """Settings of a lab. The defaults are those of `rollout lab up`, and like production."""

    nodes: int = 3
    load_balancers: int = 1
    start: float = 1.0
    """Seconds that the application takes to start, beside the start of Python itself."""
    drain: Literal["runtime", "health-page"] = "runtime"
    window: str = "25%"
    workers: int = 1
    """gunicorn's workers on each node."""
    kill: bool = False
    """Whether a restart kills the application in the middle of requests."""
    haproxy: str = "haproxy"
    """HAProxy, by name or path."""
    inter: str = "500ms"
    rise: int = 2
    fall: int = 2
    retries: int = 3
    redispatch: bool = True
    sticky: bool = False
    """Whether clients are pinned to a server by a cookie."""
    backend_lines: tuple[str, ...] = ()
    """More lines for each backend of HAProxy."""


def default_directory() -> Path:
    """The folder of a lab, unless another one is chosen."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "rollout" / "lab"


def command(action: str, directory: Path) -> str:
    """The command line `rollout lab ACTION` for the lab in that folder."""
    usual = directory.resolve() == default_directory().resolve()
    return f"rollout lab {action}" + ("" if usual else f" --directory {shlex.quote(str(directory))}")
