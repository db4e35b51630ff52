"""uWSGI's mules and spoolers, which a chain leaves alone: they are ended, and uWSGI starts others.

Those that uWSGI starts are forked from the master. Like a new worker of a chain, they load the code that is
on the disk. uWSGI itself kills mules and spoolers when it reloads; here they are asked first.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import List

from rollout.agents.common import proc, sockets
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, say
from rollout.agents.uwsgi import processes

_LOOK_AGAIN = 0.1
_FINISH = 10.0
"""Seconds for a mule or spooler to end that was asked to."""


def helpers(master: Process) -> List[Process]:
    """The mules and spoolers of a master: uWSGI closes its listening sockets in them."""
    listening = sockets.listening(master)
    found = []
    for child in processes.family(master):
        with suppress(PermissionError):  # no process of the user whom its workers run as
            if not child.leads and not child.dead and not sockets.held(child.process, listening):
                found.append(child.process)
    return found


def may_be_replaced(master: Process) -> None:
    """Raises Failed if we may not signal one of them."""
    for helper in helpers(master):
        proc.may_signal(helper)


def replace(master: Process, steady: float, end: Deadline) -> None:
    """Replace the mules and spoolers. Raises Failed unless as many new ones live for `steady` seconds."""
    old = helpers(master)
    if not old:
        return
    for helper in old:
        proc.send(helper, signal.SIGINT)
    if not end.or_after(_FINISH).wait_for(lambda: not any(map(proc.lives, old)), every=_LOOK_AGAIN):
        for helper in filter(proc.lives, old):
            proc.send(helper, signal.SIGKILL)
    if not end.wait_for(lambda: len(helpers(master)) >= len(old), every=_LOOK_AGAIN):
        raise Failed(f"uWSGI has started {len(helpers(master))} of {len(old)} mules and spoolers anew")
    new = helpers(master)
    end.or_after(steady).wait_for(lambda: not all(map(proc.lives, new)), every=_LOOK_AGAIN)
    ended = [helper for helper in new if not proc.lives(helper)]
    if ended:
        raise Failed(f"BROKEN: {len(ended)} of {len(new)} new mules and spoolers ended within {steady:g} s")
    say(f"{len(new)} mules and spoolers are new, too")
