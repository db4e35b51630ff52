"""Finds the user whom an agent must act for to see and touch what it works on, where `sudo -n` allows that.

The user who logs in need not be the one who runs the application, may not even see its files, and may be
allowed to sudo to root alone: root then becomes the owner.
"""

from __future__ import annotations

import functools
import grp
import os
import pwd
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import List, NamedTuple, Optional

from rollout.agents.common import proc
from rollout.agents.common.talk import say

FILE, PIDFILE, FIFO = "file", "pidfile", "fifo"
_ROOT = "root"
_SAYS = 5.0
"""Seconds for sudo, and for a look with its help."""
_LOOKS = {
    PIDFILE: "import sys; print(open(sys.argv[1]).read())",
    FILE: "import os, sys; print(os.stat(sys.argv[1]).st_uid)",
}
_LOOKS[FIFO] = _LOOKS[FILE]


class Options(NamedTuple):
    """`kind` says whose rights are needed: those of the owner of a `file`; of the process that a `pidfile`
    names; or of the owner of a `fifo` that a uWSGI reads, which is root's affair where root has started
    it."""

    path: str
    kind: str


def main(options: Options) -> None:
    """Print the user to sudo to and, if that is root for somebody else's sake, whom root becomes; nothing if
    the agent stays who it is."""
    say(" ".join(_chosen(options.path, options.kind)))


def become(user: str) -> None:
    """Give up root's rights for good, and be that user."""
    known = pwd.getpwnam(user)
    os.initgroups(known.pw_name, known.pw_gid)
    os.setgid(known.pw_gid)
    os.setuid(known.pw_uid)
    os.environ.update(HOME=known.pw_dir, USER=known.pw_name, LOGNAME=known.pw_name)


def _chosen(path: str, kind: str) -> List[str]:
    if kind == FIFO and _root_runs_uwsgi() and _may_sudo_to(_ROOT):
        return [_ROOT]
    hidden_by = _hidden_by(path, kind)
    if hidden_by is None:
        owner = _owner(path, kind)
    else:
        insiders = _insiders(hidden_by)
        seer = next((user for user in [*insiders, _ROOT] if _may_sudo_to(user)), None)
        if seer is None:
            return []
        owner = _owner(path, kind, seer) or insiders[0]
        if owner not in insiders:  # who might not see it
            return [_ROOT] if _may_sudo_to(_ROOT) else [seer]
    if owner is None or owner == _name(os.geteuid()):
        return []
    if _may_sudo_to(owner):
        return [owner]
    return [_ROOT, owner] if _may_sudo_to(_ROOT) else []


def _hidden_by(path: str, kind: str) -> Optional[str]:
    """The folder that keeps us from seeing the path, or the path itself if we may not read it; else None."""
    for folder in reversed(Path(path).parents):
        if not os.path.isdir(folder):
            return None
        if not os.access(folder, os.X_OK):
            return str(folder)
    unreadable = kind == PIDFILE and os.path.isfile(path) and not os.access(path, os.R_OK)
    return path if unreadable else None


def _insiders(path: str) -> List[str]:
    """Users who may see what we may not: its owner, and the user of the same name as its group; or root."""
    status = os.stat(path)
    names = [_name(status.st_uid)]
    with suppress(KeyError):
        names.append(grp.getgrgid(status.st_gid).gr_name)
    return [name for name in names if name is not None] or [_ROOT]


def _owner(path: str, kind: str, seer: Optional[str] = None) -> Optional[str]:
    """The owner of the file, or of the process that the pidfile names; None if there is none. The `seer`
    looks for us."""
    try:
        if seer is None:
            shown = Path(path).read_text() if kind == PIDFILE else str(os.stat(path).st_uid)
        else:
            shown = _python_as(seer, "-I", "-c", _LOOKS[kind], path) or ""
        number = int(shown.split()[0])
        return _name(os.stat(f"/proc/{number}").st_uid if kind == PIDFILE else number)
    except (OSError, ValueError, IndexError):
        return None


def _name(user: int) -> Optional[str]:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return None


@functools.lru_cache(maxsize=8)
def _may_sudo_to(user: str) -> bool:
    return _python_as(user, "--version") is not None


def _python_as(user: str, *words: str) -> Optional[str]:
    """What the node's python3 prints when that user runs it; None if it fails, or if sudo does not allow
    it."""
    try:
        done = subprocess.run(
            ["sudo", "-n", "-u", user, "python3", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SAYS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _root_runs_uwsgi() -> bool:
    """Whether root has started a uWSGI here: nobody else sees what it has open, whoever it has become."""
    return any(_is_roots(one) for one in proc.everything() if "uwsgi" in one.program)


def _is_roots(one: proc.Stat) -> bool:
    try:
        return os.stat(f"/proc/{one.process.pid}").st_uid == 0
    except FileNotFoundError:
        return False
