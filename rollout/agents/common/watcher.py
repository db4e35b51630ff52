"""Who watches a process: who notices that it ends, and does not know that another goes on in its place.

A server that replaces itself lets its old process end. systemd takes the end of a main process for the end of
its unit, unless the unit's pidfile names the process that goes on. A supervisor starts its program again,
beside the process that goes on. A container ends with its first process. The end of a daemon, which its
starter has left, goes unnoticed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Iterator, List, NamedTuple, Optional, Set

from rollout.agents.common import proc
from rollout.agents.common.proc import Process, Stat
from rollout.agents.common.talk import Failed
from rollout.agents.common.unit import Unit, unit_of

_SUPERVISORS = {
    **dict.fromkeys(("circusd", "dinit", "foreman", "forego", "god", "goreman", "hivemind", "honcho"), ""),
    **dict.fromkeys(("immortal", "perpd", "PM2", "s6-supervise", "supervise", "supervise-daemon"), ""),
    "runsv": "restart.runit",
    "supervisord": "restart.supervisor",
}
"""Programs that start their child again when it has ended, and rollout's driver for them, if there is one."""
_ANY_SUPERVISOR = "restart.command with a line that restarts it there"
_END_WITH_THEIR_CHILD = {
    *("catatonit", "docker-init", "dumb-init", "podman-init", "tini", "tini-static"),
    *("npm", "pipenv", "poetry", "runuser", "su", "sudo", "timeout", "uv", "yarn"),
}
_SHELLS = {"ash", "bash", "dash", "ksh", "sh", "zsh"}
_INTERACTIVE = ("-i", "-l", "--login")


class Watcher(NamedTuple):
    """Who watches a process. `does` is what it does once the process has ended, and `instead` is the way of
    restarting by which it knows what happens. A `unit` looks into its `pidfile` first, if it has one."""

    name: str
    does: str
    instead: str
    starts_again: bool
    unit: Optional[Unit] = None
    pidfile: str = ""

    def follows(self, pidfile: str) -> bool:
        """Whether it looks into that pidfile for a process that goes on."""
        return bool(self.pidfile) and os.path.realpath(self.pidfile) == os.path.realpath(pidfile)


def watcher_of(process: Process) -> Optional[Watcher]:
    """Who watches the process; None if nobody does. Raises Failed if systemd does not answer."""
    ending = list(_ending_with(process))
    if not ending:
        return None
    return _supervisor(ending[-1]) or _container(ending) or _systemd(ending)


def require_follower(process: Process, pidfile: str, *instead: str) -> None:
    """Raises Failed unless nobody watches the process, or the pidfile tells who does which one goes on.
    `instead` says what to use where that is not so."""
    watcher = watcher_of(process)
    if watcher is not None and not watcher.follows(pidfile):
        raise refusal(process, watcher, pidfile, *instead)


def refusal(process: Process, watcher: Watcher, pidfile: str, *instead: str) -> Failed:
    """The error to raise if the watcher would not let another process go on."""
    ways = [*instead, watcher.instead]
    if watcher.unit is not None:
        ways.append(f"set PIDFile={pidfile} in {watcher.unit.name}, by which systemd follows")
    return Failed(
        f"process {process.pid} is watched by {watcher.name}: when that process ends, {watcher.does}; "
        f"use {', or '.join(ways)}"
    )


def _ending_with(process: Process) -> Iterator[Stat]:
    """The process, and those that wait for its end and then end as well, such as the shell of a script."""
    shown = proc.read_stat(process.pid)
    while shown is not None:
        yield shown
        parent = proc.read_stat(shown.parent)
        shown = parent if parent is not None and _ends_with(parent, shown) else None


def _ends_with(parent: Stat, child: Stat) -> bool:
    names, words = _names(parent), proc.command_line(parent.process)
    runs_a_script = len(words) > 1 and words[1] not in _INTERACTIVE
    waits = bool(names & _END_WITH_THEIR_CHILD) or bool(names & _SHELLS and runs_a_script)
    if waits and _is_first(parent.process):  # which adopts whatever was left by its starter
        return not _is_adopted(parent, child) and proc.children(parent.process)[:1] == [child.process]
    return waits


def _supervisor(ending: Stat) -> Optional[Watcher]:
    parent = proc.read_stat(ending.parent)
    if parent is None or (_is_first(parent.process) and _is_adopted(parent, ending)):
        return None
    names = _names(parent) & _SUPERVISORS.keys()
    if _is_vassal(ending.process):
        names = {"uWSGI's Emperor"}
    for name in names:
        return Watcher(
            name=f"{name} (process {parent.process.pid})",
            does="it is started again, beside the new one that goes on, which nobody could stop any more",
            instead=_SUPERVISORS.get(name) or _ANY_SUPERVISOR,
            starts_again=True,
        )
    return None


def _container(ending: List[Stat]) -> Optional[Watcher]:
    if not any(_is_first(one.process) for one in ending):
        return None
    return Watcher(
        name="its container as the first process there",
        does="the container ends with all its processes",
        instead="restart.docker",
        starts_again=False,
    )


def _systemd(ending: List[Stat]) -> Optional[Watcher]:
    unit = unit_of(ending[0].process)
    shown = unit.properties() if unit else {}
    pids = [str(one.process.pid) for one in ending]
    if unit is None or shown.get("MainPID") not in pids or shown.get("ExitType") == "cgroup":
        return None
    pidfile, restart = shown.get("PIDFile", ""), shown.get("Restart", "no")
    kind = f"Type={shown.get('Type')}, {f'PIDFile={pidfile}' if pidfile else 'without PIDFile='}"
    return Watcher(
        name=f"systemd as the main process of {unit.name} ({kind}, Restart={restart})",
        does="systemd ends all processes of the unit, the new ones, too",
        instead="restart.systemd",
        starts_again=restart != "no",
        unit=unit,
        pidfile=pidfile,
    )


def _names(shown: Stat) -> Set[str]:
    """What a program is called: by the kernel, by its command line, and as a script or module that an
    interpreter runs. Titles such as `foreman: master` begin with the name."""
    words = proc.command_line(shown.process)[:3]
    module = [words[-1].rpartition(".")[2]] if words[1:2] == ["-m"] else []
    names = [name.split()[0] for name in (shown.program, *words[:2], *module) if name.strip()]
    return {os.path.basename(name).rstrip(":") for name in names}


def _is_vassal(process: Process) -> bool:
    with suppress(OSError):
        return "UWSGI_EMPEROR_FD" in proc.environment(process)
    return False


def _is_first(process: Process) -> bool:
    """Whether the process is number 1 where it runs, in a container or on the machine."""
    with suppress(OSError, KeyError, IndexError):
        return proc.status(process)["NSpid"].split()[-1] == "1"
    return False


def _is_adopted(parent: Stat, child: Stat) -> bool:
    """Whether a daemon got a new parent: a program has the session of its starter, or leads one."""
    return child.session not in (parent.session, child.process.pid)
