"""Signals the process that a pidfile names, and waits for proof that the signal had its effect."""

from __future__ import annotations

import signal
import time
from typing import Dict, List, NamedTuple, Optional

from rollout.agents.common import deadline, proc
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, say

_LOOK_AGAIN = 0.05
_STEADY = 1.0
"""Seconds for which new children must live: those of a broken release die and are replaced for ever."""


class Options(NamedTuple):
    """`signal` is a name such as HUP; `proof` is new-pid, new-children or health; `timeout` is in seconds."""

    pidfile: str
    signal: str
    proof: str
    timeout: float
    check: bool = False
    """Only check that the restart can be carried out, and touch nothing."""


def main(options: Options) -> None:
    process = proc.of_pidfile(options.pidfile)
    proc.may_signal(process)
    children = proc.children(process)
    if options.proof == "new-children" and not children:
        raise Failed(f"process {process.pid} of {options.pidfile} has no children that could be replaced")
    if options.check:
        return
    end = deadline.before(options.timeout)
    proc.send(process, signal.Signals["SIG" + options.signal])
    if options.proof == "new-pid":
        _new_pid(process, options.pidfile, end)
    elif options.proof == "new-children":
        _new_children(process, children, end)


def _new_pid(old: Process, pidfile: str, end: Deadline) -> None:
    while True:
        new = _named(pidfile)
        if new is not None and new != old and not proc.lives(old):
            say(f"process {new.pid} has taken the place of {old.pid}")
            return
        if end.passed:
            if proc.lives(old):
                raise Failed(f"process {old.pid} still runs")
            raise Failed(f"process {old.pid} ended, and {pidfile} names no other process that runs")
        time.sleep(_LOOK_AGAIN)


def _new_children(process: Process, old: List[Process], end: Deadline) -> None:
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
        if end.passed:
            raise Failed(
                f"process {process.pid} has {len(steady)} new children that have lived for {_STEADY:g} s, "
                f"and {len(left)} of its {len(old)} old ones"
            )
        time.sleep(_LOOK_AGAIN)


def _named(pidfile: str) -> Optional[Process]:
    """The process that the pidfile names by now; the file may be missing, or being written, for a moment."""
    try:
        return proc.of_pidfile(pidfile)
    except Failed:
        return None
