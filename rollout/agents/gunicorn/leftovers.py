"""Processes of a trial: none of them may stay, whatever the application made of them."""

from __future__ import annotations

import os
import signal
import time
import uuid
from contextlib import suppress
from typing import List

from rollout.agents.common import deadline, proc
from rollout.agents.common.proc import Process

MARK = "ROLLOUT_TRIAL"
"""The variable that marks the processes of a trial. Applications may look at it."""
_FINISH = 3.0
"""Seconds for a gunicorn on trial to end by itself, with the shutdown of its application."""
_PATIENCE = 10.0
_LOOK_AGAIN = 0.02


def new_mark() -> str:
    """A value of the variable that no other trial has."""
    return uuid.uuid4().hex


def end_all(session: int, mark: str) -> None:
    """Ask the gunicorn that leads the session to end, and then kill what is left of the trial."""
    leader = proc.find(session)
    if leader is not None:
        with suppress(ProcessLookupError):
            os.kill(session, signal.SIGTERM)
        deadline.after(_FINISH).wait_for(lambda: not proc.lives(leader), every=_LOOK_AGAIN)
    kill_all(session, mark)


def kill_all(session: int, mark: str) -> None:
    """Kill all processes of a session, and those that left it: they still have the mark in their
    environment."""
    end = deadline.after(_PATIENCE)
    while (left := _members(session, mark)) and not end.passed:
        for process in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(_LOOK_AGAIN)


def _members(session: int, mark: str) -> List[Process]:
    living = [one for one in proc.everything() if not one.ended]
    return [one.process for one in living if one.session == session or _is_marked(one.process, mark)]


def _is_marked(process: Process, mark: str) -> bool:
    with suppress(OSError):
        return proc.environment(process).get(MARK) == mark
    return False
