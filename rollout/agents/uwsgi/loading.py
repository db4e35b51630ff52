"""Loads the application that is on the disk now on trial, before anything that serves is touched.

The same uWSGI program with the same plugins loads it, serves nothing, and ends. It reads its settings as a
file, in which an option may stand before the plugin that has it; on a command line it may not.
"""

from __future__ import annotations

import os
import subprocess
from typing import List, Optional

from rollout.agents.common import proc
from rollout.agents.common.deadline import Deadline
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
    "need-plugins",
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
_FLAGS = ("autoload", "enable-threads", "manage-script-name", "paste-logger", "single-interpreter")
_OF_ITS_OWN = ("UWSGI_", "LISTEN_", "NOTIFY_SOCKET")
_NOT_LOADED = ("unable to load app", "unable to load configuration")
_LAST = 15


def names_one(settings: Settings) -> bool:
    """Whether the settings, as far as they can be seen, name an application."""
    return bool(settings.all(*_APPLICATION))


def must_load(master: Process, settings: Settings, end: Deadline) -> None:
    """Raises Failed if the application cannot be loaded, after printing the last lines of the trial."""
    if not names_one(settings):
        say("uWSGI's settings do not show which application it loads, so rollout does not load it on trial")
        return
    ended = _tried(_command(master, settings), settings, end)
    if ended is None:
        raise Failed("BROKEN: the application did not load on trial in time; the old one keeps serving")
    if ended.returncode == 0 and not any(text in ended.stdout for text in _NOT_LOADED):
        return
    for line in ended.stdout.splitlines()[-_LAST:]:
        say(line)
    raise Failed(
        "BROKEN: uWSGI cannot load the new application; nothing was reloaded, the old one keeps serving"
    )


def _command(master: Process, settings: Settings) -> List[str]:
    program = proc.executable(master)
    if not os.path.exists(program):  # it was replaced by an upgrade
        program = proc.command_line(master)[0]
    command = [program, "--ini", "fd://0"]
    user, group, _ = proc.identity(master)
    if os.geteuid() == 0 and user != 0:
        command += ["--uid", str(user), "--gid", str(group)]
    return command


def _ini(settings: Settings) -> str:
    # uwsgidecorators cannot be imported where there is no master.
    flags = ["no-server", "master", *(key for key in _FLAGS if settings.on(key))]
    pairs = [(key, value.replace("%", "%%")) for key, value in settings.pairs if key in _PASSED_ON]
    lines = (f"{key} = {value}" for key, value in [*((flag, "true") for flag in flags), *pairs])
    return "\n".join(["[uwsgi]", *lines, ""])


def _tried(
    command: List[str], settings: Settings, end: Deadline
) -> Optional[subprocess.CompletedProcess[str]]:
    """The end of the trial; None if it did not end in time."""
    environment = {
        name: value for name, value in settings.environment.items() if not name.startswith(_OF_ITS_OWN)
    }
    # Not as arguments: anybody could read them in the process list.
    environment.update(setting.partition("=")[::2] for setting in settings.all("env"))
    try:
        return subprocess.run(
            command,
            cwd=settings.folder,
            env=environment,
            input=_ini(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=max(1.0, end.left),
        )
    except subprocess.TimeoutExpired:
        return None
