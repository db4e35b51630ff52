"""Notes of programs that go on when their agent ends: whoever comes to the node next waits for them, too.

The agent's own command has a note, whose path is in the environment. A program that leaves the agent's
session gets a copy of it that names the program, and twice the time: it is to finish what it has begun.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Optional

from rollout.agents.common import proc

_NOTE = "_ROLLOUT_NOTE"
_ENDING = ".run"


def keep(pid: int) -> Optional[Path]:
    """Note a program that was just started, and return the path of its note.

    None if the agent has no note itself, or cannot write beside it: under sudo, for one.
    """
    own = os.environ.get(_NOTE, "")
    program = proc.find(pid)
    if not own or program is None:
        return None
    note = Path(f"{own[: -len(_ENDING)]}.{pid}{_ENDING}")
    try:
        first, rest = Path(own).read_text().split("\n", 1)
        boot, _, _, begun, timeout = first.split()
        note.write_text(f"{boot} {pid} {program.started} {begun} {2 * int(timeout)}\n{rest}")
    except (OSError, ValueError):
        return None
    return note


def remove(note: Optional[Path]) -> None:
    """Remove the note of a program that has ended."""
    if note is not None:
        with suppress(OSError):
            note.unlink()
