"""Processes of a lab. They are known by a mark that each of them carries, not by files that may be stale.

The mark is in the environment or on the command line of whatever `up`, a restart script or a login
started, so those of a half-failed `up` are found too, and no process that merely got a recycled id.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from rollout.errors import RolloutError

MARK = "ROLLOUT_LAB"
_POLL = 0.02


def mark_of(directory: Path) -> str:
    """The value of the mark: it follows from the folder alone, so it cannot be lost."""
    return hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Process:
    """A process. Its id and its start together name it for good."""

    pid: int
    parent: int = field(compare=False)
    """Id of the process that started it, or adopted it."""
    started: int
    """Clock ticks since boot."""


def marked(mark: str) -> list[Process]:
    """All living processes that carry the mark, and the processes that these have started."""
    text = f"{MARK}={mark}".encode()
    living = [process for entry in os.listdir("/proc") if entry.isdigit() if (process := _look(int(entry)))]
    ours = {process.pid for process in living if _carries(process.pid, text)}
    while more := {process.pid for process in living if process.parent in ours} - ours:
        ours |= more
    return [process for process in living if process.pid in ours and process.pid != os.getpid()]


def end(mark: str, patience: float = 3.0) -> bool:
    """End all processes of a lab, by TERM and after `patience` seconds by KILL, and wait until they are gone.

    False if there was none. Raises RolloutError if one does not end.
    """
    begin = time.monotonic()
    asked: set[Process] = set()
    # What was started by something that has ended meanwhile is no longer seen to belong to it: remember it.
    while left := {*marked(mark), *(process for process in asked if _lives(process))}:
        waited = time.monotonic() - begin
        if waited > 2 * patience:
            raise RolloutError(f"The lab's processes did not end: {', '.join(str(one.pid) for one in left)}")
        for process in left:
            if waited > patience:
                _signal(process, signal.SIGKILL)
            elif process not in asked:
                _signal(process, signal.SIGTERM)
                asked.add(process)
        time.sleep(_POLL)
    return bool(asked)


def _look(pid: int) -> Process | None:
    """The process of that id; `None` if it is gone or a zombie."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else Process(pid, parent=int(fields[0]), started=int(fields[18]))


def _lives(process: Process) -> bool:
    now = _look(process.pid)
    return now is not None and now.started == process.started


def _carries(pid: int, text: bytes) -> bool:
    try:
        return text in Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # gone, or somebody else's
        return False


def _signal(process: Process, number: signal.Signals) -> None:
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return
    try:
        if _lives(process):
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)
