"""USR2: a second master starts beside the first, with the same sockets; the first goes when the second one's
workers are ready.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import List, Optional

from rollout.agents.common import deadline, proc, watcher
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, Untouched, say
from rollout.agents.common.undo import Undo
from rollout.agents.gunicorn.on_trial import MASTER
from rollout.agents.gunicorn.under_way import Restart
from rollout.agents.gunicorn.workers import workers

_BEGUN = 0.5
"""Seconds after which a master that was told to end starts no more workers."""
_PATIENCE = 10.0
_BEFORE_GUNICORN = 0.5
"""Seconds by which we end workers sooner than their master would: it does not say so."""


def require_follower(master: Process, pidfile: str) -> None:
    """Raises Failed if whoever watches the master would take its end for the end of the service."""
    watcher.require_follower(master, pidfile, "mode: rolling")
    if not os.access(pidfile, os.W_OK):
        raise Failed(f"no permission to write to the pidfile {pidfile}, which must name the new master")


def upgrade(restart: Restart) -> None:
    """Replace the master with all its workers. Raises Failed; then the old master keeps serving, unless it
    had been told to end."""
    old, children = restart.master, workers(restart.master)
    watched = watcher.watcher_of(old)
    count = restart.wanted
    with Undo(lambda ready: _end_second(restart, children, ready)) as undo:
        try:
            undo.note([])
            proc.send(old, signal.SIGUSR2)
            new = _ready(restart, children, undo)
        except Failed as failed:
            why = str(failed)
        else:
            why = ""
            undo.finished()
    if why:
        left = sum(map(proc.lives, children))
        kept = Untouched if left == len(children) else Failed
        raise kept(f"{why}; the old master keeps serving with {left} of {len(children)} workers")
    _retire(restart, new)
    if watched is not None and watched.unit is not None:
        watched.unit.must_follow(new, restart.deadline)
    say(f"{count} of {count} workers are new and ready; process {new.pid} has taken the place of {old.pid}")


def _ready(restart: Restart, children: List[Process], undo: Undo) -> Process:
    """The second master, when all its workers are ready. Raises Failed."""
    count = restart.wanted
    seen: List[Process] = []

    def begun() -> bool:
        new = _second(restart.master, restart.pidfile, children)
        if new is None and seen:
            raise restart.broken(f"the new master, process {seen[0].pid}, has ended")
        seen[:] = [new] if new else []
        return bool(new and Path(f"{restart.pidfile}.2").exists())

    restart.wait_until(begun, "the new master to start", within=max(restart.ready, MASTER))
    (new,) = seen

    def all_ready() -> bool:
        begun()
        started = workers(new)
        ready = restart.ready_ones(started)
        undo.note([worker.pid for worker in ready])
        return len(ready) == len(started) == count

    restart.wait_until(all_ready, f"{count} workers of the new master to be ready", within=restart.ready)
    say(f"{count} workers of the new master, process {new.pid}, are ready")
    if restart.trial is None:
        _require_steady(restart, new)
    return new


def _require_steady(restart: Restart, new: Process) -> None:
    """Wait as long as a trial would have gone on. Raises Failed if all workers of the new master end
    meanwhile."""
    first, steady = workers(new), deadline.after(restart.hold)

    def has_lasted() -> bool:
        if not any(map(proc.lives, first)):
            raise restart.broken(f"the workers of the new master ended within {restart.hold:g} s")
        return steady.passed

    restart.wait_until(has_lasted, f"the new workers to live for {restart.hold:g} s")


def _second(old: Process, pidfile: str, children: List[Process]) -> Optional[Process]:
    """The new master: its environment says whose child it is, and it has a pidfile of its own."""
    for child in proc.children(old):
        try:
            if child not in children and (
                proc.environment(child).get("GUNICORN_PID") == str(old.pid)
                or Path(f"{pidfile}.2").read_text().strip() == str(child.pid)
            ):
                return child
        except OSError:
            continue
    return None


def _retire(restart: Restart, new: Process) -> None:
    """Make the old master's workers finish, and then the master; its pidfile becomes the new one's.

    Only a daemon obeys WINCH, with which workers may take as long as they need. TERM, unlike QUIT, lets them
    finish, too, for as long as gunicorn's graceful_timeout: `drain` cannot be longer there. gunicorn lets
    the pidfile name its new master once the old one has ended, but who watches it looks at that moment.
    """
    old, pidfile = restart.master, restart.pidfile
    leaving = workers(old)
    if restart.facts["daemon"]:
        proc.send(old, signal.SIGWINCH)
        restart.let_finish(leaving, restart.patience())
    proc.write_pidfile(pidfile, new)
    proc.send(old, signal.SIGTERM)
    restart.let_finish(leaving, min(restart.patience(), restart.facts["graceful"] - _BEFORE_GUNICORN))
    while proc.lives(old) or os.path.exists(f"{pidfile}.2") or _named(pidfile) != str(new.pid):
        if not proc.lives(new):
            raise restart.broken(f"the new master, process {new.pid}, has ended")
        if restart.deadline.passed:
            raise Failed(
                f"the new workers serve, but process {old.pid} has not given {pidfile} to {new.pid} yet"
            )
        time.sleep(0.05)


def _end_second(restart: Restart, children: List[Process], ready: List[int]) -> None:
    """End the new master, and with it its workers: those that are not `ready` may ignore its signal."""
    begun, new = deadline.after(_BEGUN), None
    while new is None and not begun.passed:
        new = _second(restart.master, restart.pidfile, children)
    if new is not None:
        _end(new, ready)
    second = Path(f"{restart.pidfile}.2")
    if second.exists():
        second.unlink()
    restart.listener.close()  # if the agent was killed, nobody else closes it


def _end(new: Process, ready: List[int]) -> None:
    started = workers(new)
    proc.send(new, signal.SIGTERM)
    end, begun = deadline.after(_PATIENCE), deadline.after(_BEGUN)
    while proc.lives(new) and not end.passed:
        started = workers(new) or started
        for worker in started:
            if begun.passed and worker.pid not in ready and proc.lives(worker):
                os.kill(worker.pid, signal.SIGKILL)
        time.sleep(0.02)
    for process in [new, *started]:
        if proc.lives(process):
            os.kill(process.pid, signal.SIGKILL)


def _named(pidfile: str) -> str:
    try:
        return Path(pidfile).read_text().strip()
    except OSError:
        return ""
