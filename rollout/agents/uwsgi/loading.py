"""Whether uWSGI can load the application that lies on the disk now, before the one that serves is touched.

The same program with the same plugins loads it, serves nothing, and ends.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import List, Optional, Tuple

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, say
from rollout.agents.uwsgi.settings import Settings

_APPLICATION = ("module", "wsgi", "wsgi-file", "file", "mount", "paste", "ini-paste")
_PASSED_ON = (
    *_APPLICATION,
    "callable",
    "chdir",
    "home",
    "import",
    "need-plugin",
    "plugin",
    "plugin-dir",
    "plugins",
    "plugins-dir",
    "pp",
    "py-import",
    "pyargv",
    "pyhome",
    "pyimport",
    "pymodule-alias",
    "python-import",
    "python-path",
    "pythonpath",
    "venv",
    "virtualenv",
)
_FLAGS = ("enable-threads", "manage-script-name", "paste-logger", "single-interpreter")
_OF_ITS_OWN = ("UWSGI_", "LISTEN_", "NOTIFY_SOCKET")
_NOT_LOADED = ("unable to load app", "unable to load configuration")
_LAST = 15


def names_one(settings: Settings) -> bool:
    """Whether an application is named in what can be seen of the settings."""
    return bool(settings.all(*_APPLICATION))


def must_load(master: Process, settings: Settings, deadline: float) -> None:
    """Raises Failed after the last lines of why the application cannot be loaded."""
    if not names_one(settings):
        say("which application uWSGI loads cannot be seen in its settings, so it is not loaded on trial")
        return
    ended = _tried(_command(master, settings), settings, deadline)
    if ended is None:
        raise Failed("BROKEN: the application was not loaded on trial in time; the old one serves on")
    if ended.returncode == 0 and not any(text in ended.stdout for text in _NOT_LOADED):
        return
    for line in ended.stdout.splitlines()[-_LAST:]:
        say(line)
    raise Failed("BROKEN: uWSGI cannot load the new application; nothing was reloaded, the old one serves on")


def _command(master: Process, settings: Settings) -> List[str]:
    program = os.readlink(f"/proc/{master.pid}/exe")
    if not os.path.exists(program):  # it was replaced by an upgrade
        program = proc.command_line(master)[0]
    # uwsgidecorators cannot be imported where there is no master.
    command = [program, "--no-server", "--master", *(f"--{key}" for key in _FLAGS if settings.on(key))]
    user, group = _runs_as(master)
    if os.geteuid() == 0 and user != "0":
        command += ["--uid", user, "--gid", group]
    return command + [f"--{key}={value}" for key, value in settings.pairs if key in _PASSED_ON]


def _runs_as(master: Process) -> Tuple[str, str]:
    """The owner of /proc/PID is root for a process that was once root."""
    lines = Path(f"/proc/{master.pid}/status").read_text().splitlines()
    fields = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    return fields["Uid"][1], fields["Gid"][1]


def _tried(
    command: List[str], settings: Settings, deadline: float
) -> Optional[subprocess.CompletedProcess[str]]:
    environment = {
        name: value for name, value in settings.environment.items() if not name.startswith(_OF_ITS_OWN)
    }
    # Not as arguments: anybody could read them in the process list.
    environment.update(told.partition("=")[::2] for told in settings.all("env"))
    try:
        return subprocess.run(
            command,
            cwd=settings.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=max(1.0, deadline - time.monotonic()),
        )
    except subprocess.TimeoutExpired:
        return None
