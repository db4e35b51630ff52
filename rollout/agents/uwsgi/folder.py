"""The folder in which a uWSGI was started. Its own may be another by now: its settings may have a `chdir`."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Dict, Iterator, Sequence

from rollout.agents.common import proc, programs
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed

_FROM_EMPEROR = "UWSGI_EMPEROR_FD"
"""The variable that an Emperor gives to its vassals."""
_ANSWER = 5.0
"""Seconds for systemd to answer."""


def started_in(master: Process, environment: Dict[str, str], files: Sequence[str]) -> str:
    """The first likely folder in which these files are, which the command line names; or else the most
    likely one."""
    most_likely = ""
    for folder in filter(os.path.isdir, _likely(master, environment)):
        if all(os.path.isfile(os.path.join(folder, name)) for name in files):
            return folder
        most_likely = most_likely or folder
    return most_likely


def _likely(master: Process, environment: Dict[str, str]) -> Iterator[str]:
    """An Emperor starts its vassals where it is itself, a shell says where it was, and systemd knows. A
    `chdir` mostly leads further down."""
    shown = proc.read_stat(master.pid)
    emperor = proc.find(shown.parent) if shown and _FROM_EMPEROR in environment else None
    if emperor is not None:
        with suppress(PermissionError):
            yield proc.folder(emperor)
        # One that is not ours shows at least which folder it was given.
        yield from filter(os.path.isabs, proc.command_line(emperor))
    yield environment.get("PWD", "")
    own = proc.folder(master)
    yield own
    unit = proc.unit(master)
    if unit:
        with suppress(Failed):
            yield programs.run(["systemctl", "show", unit, "-p", "WorkingDirectory", "--value"], _ANSWER).last
    yield from map(str, Path(own).parents)
