"""Signals the process that a pidfile names, and waits for proof that the signal had its effect."""

from __future__ import annotations

import signal
import time
from typing import Dict, List, NamedTuple, Optional

from rollout.agents.children import Children, may_be_workers
from rollout.agents.common import deadline, proc
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, NotRunning, Untouched, nothing_signalled, say
from rollout.agents.common.watcher import refusal, watcher_of

_LOOK_AGAIN = 0.05
_DEATHS = 3
"""How many processes may take the old one's place and end before the new release counts as broken."""

_ENDING = ("INT", "QUIT", "TERM")
"""Signals on which an application ends, and is started again by whoever watches it. On others it starts
another process itself."""


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
    with nothing_signalled(check=options.check):
        if options.proof == "new-pid":
            _require_successor(process, options)
    if options.check:
        if options.proof == "new-children" and not may_be_workers(process):
            raise NotRunning(
                f"process {process.pid} of {options.pidfile} has no children that could be replaced"
            )
        return
    end = deadline.before(options.timeout)
    children = Children(process)
    proc.send(process, signal.Signals["SIG" + options.signal])
    if options.proof == "new-pid":
        _new_pid(process, options.pidfile, options.steady, end)
    elif options.proof == "new-children":
        _new_children(process, children, options.steady, end)


def _require_successor(process: Process, options: Options) -> None:
    """Raises Failed if whoever watches the process would not let another one go on in its place: one that the
    process starts, or where the signal only ends it, one that the watcher starts."""
    watcher = watcher_of(process)
    if watcher is None or watcher.follows(options.pidfile):
        return
    if options.signal in _ENDING and watcher.starts_again:
        return
    raise refusal(process, watcher, options.pidfile)


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


def _new_children(process: Process, children: Children, steady: float, end: Deadline) -> None:
    """Wait until as many new children live as there were old workers, and at least one: the children of a
    broken release may all have ended, while their parent lives."""
    while True:
        if not proc.lives(process):
            raise Failed(f"process {process.pid} ended on the signal")
        children.look()
        old, left, lasting = len(children.old), children.left, children.lasting(steady)
        if children.are_replaced(steady):
            for helper in left:
                say(f"{proc.described(helper)} is no worker, and stays")
            gone = old - len(left)
            say(f"process {process.pid} has {len(lasting)} new children, and none of its {gone} old ones")
            return
        if end.passed:
            raise (Untouched if len(left) == old > 0 and not lasting else Failed)(
                f"process {process.pid} has {len(lasting)} new children that have lived for {steady:g} s, "
                f"and {len(left)} of its {old} old ones{_which(left, lasting)}"
            )
        time.sleep(_LOOK_AGAIN)


def _which(left: List[Process], lasting: List[Process]) -> str:
    """The old children that are left where others have come, in words."""
    if not left or not lasting:
        return ""
    named = ", ".join(map(proc.described, left))
    return f" ({named}): if these are helpers that always stay, use `proof: health`"


def _named(pidfile: str) -> Optional[Process]:
    """The process that the pidfile names by now; the file may be missing, or being written, for a moment."""
    try:
        return proc.of_pidfile(pidfile)
    except Failed:
        return None
