"""Signals the process that a pidfile names, and waits for proof that the signal had its effect."""

from __future__ import annotations

import signal
import time
from typing import Dict, List, NamedTuple, Optional

from rollout.agents.common import deadline, proc
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, NotRunning, Untouched, say

_LOOK_AGAIN = 0.05
_DEATHS = 3
"""How many processes may take the old one's place and end before the new release counts as broken."""


class Options(NamedTuple):
    """`signal` is a name such as HUP; `proof` is new-pid, new-children or health. What has come must live for
    `steady` seconds; `timeout` is in seconds, too."""

    pidfile: str
    signal: str
    proof: str
    steady: float
    timeout: float
    check: bool = False
    """Only check that the restart can be carried out, and touch nothing."""


def main(options: Options) -> None:
    process = proc.of_pidfile(options.pidfile)
    proc.may_signal(process)
    children = proc.children(process)
    if options.check:
        if options.proof == "new-children" and not children:
            raise NotRunning(
                f"process {process.pid} of {options.pidfile} has no children that could be replaced"
            )
        return
    end = deadline.before(options.timeout)
    proc.send(process, signal.Signals["SIG" + options.signal])
    if options.proof == "new-pid":
        _new_pid(process, options.pidfile, options.steady, end)
    elif options.proof == "new-children":
        _new_children(process, children, options.steady, end)


def _new_pid(old: Process, pidfile: str, steady: float, end: Deadline) -> None:
    came: Dict[Process, float] = {}
    last_seen = time.monotonic()
    while True:
        new, now = _named(pidfile), time.monotonic()
        if new is not None and new != old and not proc.lives(old):
            last_seen = now
            if now - came.setdefault(new, now) >= steady:
                say(f"process {new.pid} has taken the place of {old.pid}")
                return
        died = [one for one in came if not proc.lives(one)]
        if len(died) >= _DEATHS or (died and now - last_seen >= steady):
            raise Failed(
                f"BROKEN: process {died[-1].pid} took the place of {old.pid}, and ended within {steady:g} s"
            )
        if end.passed:
            if proc.lives(old):
                raise Failed(f"process {old.pid} still runs")
            if came:
                raise Failed(f"the process that took the place of {old.pid} has not run for {steady:g} s yet")
            raise Failed(f"process {old.pid} ended, and {pidfile} names no other process that runs")
        time.sleep(_LOOK_AGAIN)


def _new_children(process: Process, old: List[Process], steady: float, end: Deadline) -> None:
    """Wait until as many new children live as there were old ones, and at least one: the children of a broken
    release may all have ended, while their parent lives."""
    wanted = max(1, len(old))
    came: Dict[Process, float] = {}
    while True:
        if not proc.lives(process):
            raise Failed(f"process {process.pid} ended on the signal")
        now = time.monotonic()
        children = proc.children(process)
        left = [child for child in children if child in old]
        came = {child: came.get(child, now) for child in children if child not in old}
        lasting = [child for child, since in came.items() if now - since >= steady]
        if not left and len(lasting) >= wanted:
            say(f"process {process.pid} has {len(lasting)} new children, and none of its {len(old)} old ones")
            return
        if end.passed:
            raise (Untouched if len(left) == len(old) > 0 and not lasting else Failed)(
                f"process {process.pid} has {len(lasting)} new children that have lived for {steady:g} s, "
                f"and {len(left)} of its {len(old)} old ones"
            )
        time.sleep(_LOOK_AGAIN)


def _named(pidfile: str) -> Optional[Process]:
    """The process that the pidfile names by now; the file may be missing, or being written, for a moment."""
    try:
        return proc.of_pidfile(pidfile)
    except Failed:
        return None
