"""Programs of a driver that run on the node: sent over the connection, they leave nothing behind.

An agent is a script of Python's standard library alone, in `agents/`. What it is told is JSON in the
environment variable ROLLOUT_DRIVER, so that no process list shows it; what it prints goes to the journal,
its exit status says how it went.
"""

from __future__ import annotations

import json
import shlex
from importlib import resources
from typing import Any

_END = "ROLLOUT_AGENT_ENDS_HERE"


def on_node(agent: str, **told: Any) -> str:
    """A shell line that runs `agents/{agent}.py`, told `told`."""
    program = resources.files("rollout.restart.agents").joinpath(f"{agent}.py").read_text()
    return f"ROLLOUT_DRIVER={shlex.quote(json.dumps(told))} python3 - <<'{_END}'\n{program}\n{_END}\n"
