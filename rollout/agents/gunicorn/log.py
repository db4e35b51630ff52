"""The log of a gunicorn while it restarts."""

from __future__ import annotations

import os
from typing import List, Optional

from rollout.agents.common import proc
from rollout.agents.common.log import Log, first_file
from rollout.agents.common.proc import Process


def log_of(master: Process, configured: Optional[str]) -> Log:
    """The error log that is `configured`, or what standard error goes to: a file, or the journal."""
    candidates = [proc.standard_error(master)]
    if configured and configured != "-":
        candidates = [os.path.join(os.path.realpath(f"/proc/{master.pid}/cwd"), configured)]
    files = first_file(candidates)
    if files:
        return Log(files)
    return Log([], lambda: [f"_PID={process.pid}" for process in _family(master)])


def _family(process: Process) -> List[Process]:
    """A process, its children, and theirs."""
    return [process, *(one for child in proc.children(process) for one in _family(child))]
