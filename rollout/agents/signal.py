"""Signals the process that a pidfile names, and waits for what proves that it was heeded."""

from __future__ import annotations

import signal
import time
from typing import Any, Dict, List, Optional

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, say

_LOOK_AGAIN = 0.05
_STEADY = 1.0
"""Seconds for which new children must live: those of a broken release die and are replaced for ever."""
_IN_HAND = 2.0
"""Seconds before the time-out at which we give up, so that we can say why."""


def main(told: Dict[str, Any]) -> None:
    process = proc.of_pidfile(told["pidfile"])
    proc.may_signal(process)
    children = proc.children(process)
    if told["proof"] == "new-children" and not children:
        raise Failed(f"process {process.pid} of {told['pidfile']} has no children that could be replaced")
    if told["check"]:
        return
    deadline = time.monotonic() + max(told["timeout"] - _IN_HAND, told["timeout"] / 2)
    proc.send(process, signal.Signals["SIG" + told["signal"]])
    if told["proof"] == "new-pid":
        _new_pid(process, told["pidfile"], deadline)
    elif told["proof"] == "new-children":
        _new_children(process, children, deadline)


def _new_pid(old: Process, pidfile: str, deadline: float) -> None:
    while True:
        new = _named(pidfile)
        if new is not None and new != old and not proc.lives(old):
            say(f"process {new.pid} has taken the place of {old.pid}")
            return
        if time.monotonic() > deadline:
            if proc.lives(old):
                raise Failed(f"process {old.pid} still runs")
            raise Failed(f"process {old.pid} ended, and {pidfile} names no other one that runs")
        time.sleep(_LOOK_AGAIN)


def _new_children(process: Process, old: List[Process], deadline: float) -> None:
    came: Dict[Process, float] = {}
    while True:
        if not proc.lives(process):
            raise Failed(f"process {process.pid} ended on the signal")
        now = time.monotonic()
        children = proc.children(process)
        left = [child for child in children if child in old]
        came = {child: came.get(child, now) for child in children if child not in old}
        steady = [child for child, since in came.items() if now - since >= _STEADY]
        if not left and len(steady) >= len(old):
            say(f"process {process.pid} has {len(steady)} new children, and none of its {len(old)} old ones")
            return
        if now > deadline:
            raise Failed(
                f"process {process.pid} has {len(steady)} new children that have lived for {_STEADY:g} s, "
                f"and {len(left)} of its {len(old)} old ones"
            )
        time.sleep(_LOOK_AGAIN)


def _named(pidfile: str) -> Optional[Process]:
    """The process that the pidfile names by now; it may be missing, or being written, for a moment."""
    try:
        return proc.of_pidfile(pidfile)
    except Failed:
        return None
