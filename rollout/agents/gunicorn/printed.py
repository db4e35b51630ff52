"""What a gunicorn printed before it failed."""

from __future__ import annotations

import re
from typing import IO, List

from rollout.agents.common.talk import say

_LINES = 20
_TRACEBACK = "Traceback (most recent call last):"
_ERROR = re.compile(r"^\[.*\] \[(?:ERROR|CRITICAL)\] (?!Worker \(pid|Shutting down|Reason: )(.+)$")
"""An error in gunicorn's log, but for those by which the master says that it has noticed one."""


def show(output: IO[bytes]) -> str:
    """Print the last lines of a file, and return the one that says why; empty if nothing was printed."""
    output.seek(0)
    lines = output.read().decode(errors="replace").splitlines()
    for line in lines[-_LINES:]:
        say(line)
    return _reason([line for line in lines if line.strip()])


def _reason(lines: List[str]) -> str:
    """The last exception; else the first error in the log, what was printed last by another, or at all."""
    begins = [number for number, line in enumerate(lines) if line.endswith(_TRACEBACK)]
    raised = [line for line in lines[begins[-1] + 1 :] if not line[0].isspace()] if begins else []
    errors = [found[1] for found in map(_ERROR.match, lines) if found]
    printed = [line for line in lines if not line.startswith("[")]
    return (raised[:1] or errors[:1] or printed[-1:] or lines[-1:] or [""])[0].strip()
