"""uWSGI's mules and spoolers, which a chain leaves alone: they are ended, and uWSGI starts others.

Those that uWSGI starts are forked from the master. Like a new worker of a chain, they load the code that is
on the disk. uWSGI itself kills mules and spoolers when it reloads; here they are asked first.
"""

from __future__ import annotations

import signal
from typing import List

from rollout.agents.common import deadline, proc, sockets
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
    children = [child.process for child in processes.family(master) if not child.leads and not child.dead]
    return [child for child in children if not sockets.held(child, listening)]


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
    deadline.after(steady).wait_for(lambda: not all(map(proc.lives, new)), every=_LOOK_AGAIN)
    ended = [helper for helper in new if not proc.lives(helper)]
    if ended:
        raise Failed(f"BROKEN: {len(ended)} of {len(new)} new mules and spoolers ended within {steady:g} s")
    say(f"{len(new)} mules and spoolers are new, too")
