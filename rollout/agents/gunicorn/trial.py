"""A trial of the new code: a real gunicorn with one worker, started as the master was, and asked by HTTP.

HUP with code that does not load ends a gunicorn master, and so does a worker that cannot start its
application. So before anything is signalled, the same happens where it harms nobody: the trial has a port, a
pidfile and a log of its own. How long it takes tells whether the time-out is long enough for all workers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import say
from rollout.agents.common.undo import Undo
from rollout.agents.gunicorn.launch import Launch
from rollout.agents.gunicorn.leftovers import MARK, end_all, new_mark
from rollout.agents.gunicorn.on_trial import Limits, OnTrial, Outcome
from rollout.agents.gunicorn.ready import Listener
from rollout.agents.gunicorn.trial_program import trial_program


def try_out(launch: Launch, mode: str, listener: Listener, limits: Limits) -> Outcome:
    """Start the new code on trial, and end it. `listener` is where workers report. Raises Failed."""
    mark, folder, agent = new_mark(), _folder_for(launch.master), os.getpid()

    def undo_all(session: Any) -> None:
        end_all(session, mark)
        shutil.rmtree(folder, ignore_errors=True)
        if os.getppid() != agent:  # it was killed, so nobody else closes it
            listener.close()

    with Undo(undo_all) as undo, tempfile.TemporaryFile() as output:
        undo.note(0)
        program = trial_program(mode, launch.as_module, f"{folder}/pid", f"{folder}/address")
        own = Listener(None, f"{folder}/pid")
        started = launch.start(program, output=output, **{MARK: mark})
        undo.note(started.pid)
        outcome = OnTrial(started, f"{folder}/address", output, [own, listener]).prove(limits)
        own.close()
    started.wait()
    say(f"the new code was ready on trial after {outcome.whole:.1f} s")
    return outcome


def _folder_for(master: Process) -> str:
    """A new folder for the owner of the master. Its workers may act for somebody else, and report there."""
    folder = tempfile.mkdtemp(prefix="rollout-trial-")
    if os.geteuid() == 0:
        user, group, _ = proc.identity(master)
        os.chown(folder, user, group)
    os.chmod(folder, 0o711)  # noqa: S103 - its name is known to nobody else
    return folder
