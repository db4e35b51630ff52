"""Worker by worker: gunicorn starts an extra one, and only when it is ready is an old one asked to finish.

TTIN has gunicorn keep one worker more. Each old one that is then sent TERM finishes its requests and is
replaced by a new one; the last old one is left to TTOU, by which gunicorn ends its oldest worker and keeps
one less.
"""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from typing import List, Set

from rollout.agents.common import deadline, proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, Untouched, say
from rollout.agents.common.undo import Undo
from rollout.agents.gunicorn.under_way import Restart
from rollout.agents.gunicorn.workers import workers

_FINISH = 2.0
"""Seconds for a worker that never became ready to finish the requests that it got anyway."""
_PATIENCE = 10.0
_MOMENT = 0.001
"""Seconds within which a gunicorn that is not asleep notices an event."""


def roll(restart: Restart) -> None:
    """Replace the workers one by one. Raises Failed once there are as many workers as before."""
    master = restart.master
    old = workers(master)
    with Undo(lambda ready: put_back(restart, old, [Process(*one) for one in ready])) as undo:
        try:
            _replace_one_by_one(restart, old, undo)
        except Failed as failed:
            why = str(failed)
        else:
            why = ""
    if why:
        left = sum(map(proc.lives, old))
        kept = Untouched if left == len(old) else Failed
        raise kept(f"{why}; {left} old and {len(workers(master)) - left} new workers keep serving")
    say(f"{len(old)} of {len(old)} workers are new and ready; there were never fewer workers")


def _replace_one_by_one(restart: Restart, old: List[Process], undo: Undo) -> None:
    master, count = restart.master, len(old)
    new: List[Process] = []

    def one_more_ready() -> bool:
        now = workers(master)
        new[:] = [worker for worker in now if worker not in old]
        ready = restart.ready_ones(new)
        undo.note(ready)
        return len(now) == count + 1 and len(ready) == len(new)

    undo.note([])
    proc.send(master, signal.SIGTTIN)
    while True:
        restart.wait_until(
            one_more_ready, f"worker {len(new) + 1} of {count} to be ready", within=restart.ready
        )
        say(f"worker {new[-1].pid} is ready: {len(new)} of {count} are new")
        left = [worker for worker in old if proc.lives(worker)]
        if len(left) <= 1:
            break
        _send(left[0], signal.SIGTERM)
        restart.let_finish(left[:1], restart.patience(len(left)))
    undo.finished()
    proc.send(master, signal.SIGTTOU)
    restart.let_finish(old, restart.patience())

    def all_ready() -> bool:
        now = workers(master)
        return len(restart.ready_ones(now)) == len(now) == count

    restart.wait_until(all_ready, f"{count} new workers to be ready", within=restart.ready)


def put_back(restart: Restart, old: List[Process], ready: List[Process]) -> None:
    """Leave as many workers as before, all of them ready.

    gunicorn keeps one less by TTOU, but ends its oldest one if it then has one too many: so what is not ready
    must have ended, and not have been replaced yet, at that moment.
    """
    master, good = restart.master, {*old, *ready}
    end = deadline.after(_PATIENCE)
    # gunicorn will obey TTIN in a moment, or a worker that ended is being replaced.
    end.wait_for(lambda: not proc.lives(master) or len(workers(master)) > len(old), every=_MOMENT)
    unready = [worker for worker in workers(master) if worker not in good]
    good.update(child for child in proc.children(master) if child not in unready)  # helpers, too
    for worker in unready:
        _finish(worker)
    queues = restart.facts["queues"]
    while unready and not all(_ended_unreplaced(master, good, queues) for _ in range(2)):
        if end.passed or not proc.lives(master):
            return
    proc.send(master, signal.SIGTTOU)
    restart.listener.close()  # if the agent was killed, nobody else closes it


def _ended_unreplaced(master: Process, good: Set[Process], queues: bool) -> bool:
    """Whether all workers but the good ones, which are killed here, have ended and are not replaced just now.

    After it has started a worker, gunicorn sleeps for up to 0.1 s before it replaces what ended meanwhile.
    Older versions note such an end at once; newer ones take it in turn, right before a TTOU that comes next.
    """
    time.sleep(_MOMENT)
    strangers = _strangers(master, good)
    if not proc.sleeps(master):
        return False  # it may be starting one of them, and would not notice its end yet
    living = [stranger for stranger in strangers if proc.lives(stranger)]
    for stranger in living:
        _send(stranger, signal.SIGKILL)
    return not living and bool(strangers) is queues and _strangers(master, good) == strangers


def _strangers(master: Process, good: Set[Process]) -> List[Process]:
    return [child for child in proc.children(master, ended=True) if child not in good]


def _finish(worker: Process) -> None:
    _send(worker, signal.SIGTERM)
    deadline.after(_FINISH).wait_for(lambda: not proc.lives(worker), every=0.01)
    _send(worker, signal.SIGKILL)


def _send(worker: Process, number: int) -> None:
    with suppress(Failed):  # it may have ended by itself
        proc.send(worker, number)
