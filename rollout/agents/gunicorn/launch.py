"""How a gunicorn was started, and Python programs that are started in the same way.

The same way is: with its interpreter, in its folder, with its environment, and with no more rights than it
has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from typing import Any, Dict, List, NamedTuple

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed

_WITH_A_VALUE = ("-W", "-X", "--check-hash-based-pycs")
_OWN = ("GUNICORN_FD", "GUNICORN_PID", "LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET")
"""The variables that are meant for the process alone that was started with them."""
_BEGIN = """
import sys
if sys.path[:1] == [""]:  # nothing is there if Python was told so, as by -P
    sys.path[0] = {path!r}
sys.argv = {argv!r}
"""


class Unreadable(Failed):
    """Nothing shows how gunicorn was started."""


class Launch(NamedTuple):
    """The start of a gunicorn, `as_module` or as a script. `path` is the first folder of its `sys.path`;
    `python` has its options."""

    master: Process
    python: List[str]
    argv: List[str]
    path: str
    folder: str
    environment: Dict[str, str]
    as_module: bool

    def start(self, program: str, *, output: Any, **environment: str) -> subprocess.Popen[bytes]:
        """Start a Python program, in a session of its own, as gunicorn itself was started. Both of its
        streams go to `output`."""
        with tempfile.TemporaryFile() as text:
            text.write((_BEGIN.format(path=self.path, argv=self.argv) + program).encode())
            text.seek(0)
            return subprocess.Popen(
                [*self.python, "-"],
                cwd=self.folder,
                env={**self.environment, **environment},
                stdin=text,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._become_owner,
            )

    def _become_owner(self) -> None:
        os.umask(int(proc.status(self.master).get("Umask", "22"), 8))
        if os.geteuid() == 0:
            user, group, groups = proc.identity(self.master)
            os.setgroups(groups)
            os.setgid(group)
            os.setuid(user)


def launch_of(master: Process) -> Launch:
    """The start of a master. Raises Failed, and Unreadable if nothing shows it."""
    words = proc.command_line(master)
    if len(words) < 2 or " " in words[0]:
        raise Unreadable(
            f"rollout cannot tell how process {master.pid} was started: its command line shows as "
            f"{' '.join(words)!r}, because of setproctitle; use mode: upgrade, or remove setproctitle"
        )
    given = proc.environment(master)
    environment = {name: value for name, value in given.items() if name not in _OWN}
    folder = _folder(master, environment.get("PWD", ""))
    at = 1
    while at < len(words) and words[at].startswith("-") and words[at] != "-m":
        at += 2 if words[at] in _WITH_A_VALUE else 1
    called = os.path.join(folder, words[0]) if "/" in words[0] else words[0]
    # By the name it was called: the file itself would not know of its virtual environment.
    interpreter = shutil.which(called, path=environment.get("PATH", os.defpath)) or proc.executable(master)
    python = [interpreter, *words[1:at]]
    if words[at : at + 2] in (["-m", "gunicorn"], ["-m", "gunicorn.app.wsgiapp"]):
        return Launch(master, python, ["gunicorn", *words[at + 2 :]], folder, folder, environment, True)
    if at < len(words) and os.path.basename(words[at]).startswith("gunicorn"):
        path = os.path.dirname(os.path.join(folder, words[at]))
        return Launch(master, python, words[at:], path, folder, environment, False)
    raise Failed(
        f"process {master.pid} is not a gunicorn that was started as `gunicorn` or `python -m gunicorn`: "
        f"its command line is {' '.join(words)}"
    )


def _folder(master: Process, named: str) -> str:
    """The folder that the master was started in. As in gunicorn, a symlink keeps its name: it may have been
    switched since."""
    if os.path.isdir(named) and os.path.realpath(named) != named:
        return named
    return proc.folder(master)
