"""Loads gunicorn's configuration and the application on trial, in the application's own interpreter.

Nothing is signalled before they do: HUP with a configuration that does not load ends a gunicorn master, and
so does a worker that cannot load its application.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any, Dict, List, Tuple

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, say

_LINES = 20
_FACTS = "gunicorn as rollout found it: "
_PROGRAM = """
import json, os, signal, sys
trial = json.loads({trial!r})
signal.alarm(trial["seconds"])  # it ends, even if its parent is gone
sys.argv, sys.path[0] = trial["argv"], trial["path"]
from gunicorn import util
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter
application = WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]")
cfg = application.cfg
hook = cfg.settings["post_worker_init"]
if trial["load"]:
    sys.path[:0] = [os.path.abspath(path) for path in (cfg.pythonpath or "").split(",") if path]
    os.environ.update(cfg.env)
    util.set_owner_process(cfg.uid, cfg.gid, initgroups=cfg.initgroups)
    app = application.wsgi()
    ask = getattr(cfg.post_worker_init, "why_not_ready", None)
    reason = ask(app) if ask else ""
    if reason:
        sys.exit(reason)
print({facts!r} + json.dumps({{
    "daemon": cfg.daemon,
    "dirty": bool(getattr(cfg, "dirty_workers", 0)),
    "log": cfg.errorlog,
    "pidfile": cfg.pidfile and os.path.realpath(cfg.pidfile),
    "preload": cfg.preload_app,
    "queues": hasattr(Arbiter, "signal_chld"),
    "reports": hook.get() is not hook.default,
    "workers": cfg.workers,
}}), flush=True)
os._exit(0)  # threads that the application may have started end here
"""
_WITH_A_VALUE = ("-W", "-X", "--check-hash-based-pycs")


class Unreadable(Failed):
    """Nothing shows how gunicorn was started."""


def facts(master: Process, seconds: float, *, load: bool) -> Dict[str, Any]:
    """Load the configuration of `master` again, and with `load` the application, within that many seconds.

    Returns what the configuration says: `daemon`, `dirty` (whether it has dirty workers), `log` (gunicorn's
    errorlog), `pidfile`, `preload`, `queues` (whether its master takes the end of a worker in turn with the
    signals it was sent), `reports` (whether workers report anything), `workers`. Raises Failed, after
    printing the last lines of the trial.
    """
    python, argv, path = _how_it_was_started(master)
    trial = json.dumps({"argv": argv, "path": path, "load": load, "seconds": int(seconds) + 1})
    started = subprocess.Popen(
        [*python, "-"],
        cwd=_folder(master),
        env=_environment(master),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=_as_owner_of(master),
    )
    try:
        printed, _ = started.communicate(_PROGRAM.format(trial=trial, facts=_FACTS), timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Failed(
            f"BROKEN: the new code did not load within {seconds:.0f} s; nothing was signalled"
        ) from None
    finally:
        if started.poll() is None:
            started.kill()
            started.wait()
    lines = printed.splitlines()
    for line in lines:
        if line.startswith(_FACTS) and started.returncode == 0:
            said: Dict[str, Any] = json.loads(line[len(_FACTS) :])
            return said
    for line in lines[-_LINES:]:
        say(line)
    last = next((line for line in reversed(lines) if line.strip()), f"it ended with {started.returncode}")
    raise Failed(f"BROKEN: the new code does not load, so nothing was signalled: {last.strip()}")


def _how_it_was_started(master: Process) -> Tuple[List[str], List[str], str]:
    """How the master was started: its interpreter with options, its `sys.argv`, the first folder of
    `sys.path`."""
    words = proc.command_line(master)
    if len(words) < 2 or " " in words[0]:
        raise Unreadable(
            f"rollout cannot tell how process {master.pid} was started: its command line shows as "
            f"{' '.join(words)!r}, because of setproctitle; use mode: upgrade, or remove setproctitle"
        )
    at = 1
    while at < len(words) and words[at].startswith("-") and words[at] != "-m":
        at += 2 if words[at] in _WITH_A_VALUE else 1
    python = [_interpreter(master, words[0]), *words[1:at]]
    if words[at : at + 2] == ["-m", "gunicorn"] or words[at : at + 2] == ["-m", "gunicorn.app.wsgiapp"]:
        return python, ["gunicorn", *words[at + 2 :]], _folder(master)
    if at < len(words) and os.path.basename(words[at]).startswith("gunicorn"):
        return python, words[at:], os.path.dirname(os.path.join(_folder(master), words[at]))
    raise Failed(
        f"process {master.pid} is not a gunicorn that was started as `gunicorn` or `python -m gunicorn`: "
        f"its command line is {' '.join(words)}"
    )


def _interpreter(master: Process, name: str) -> str:
    """The interpreter by the name it was called: the file itself would not know of its virtual
    environment."""
    path = _environment(master).get("PATH", os.defpath)
    called = os.path.join(_folder(master), name) if "/" in name else name
    return shutil.which(called, path=path) or proc.executable(master)


def _environment(master: Process) -> Dict[str, str]:
    """The master's environment, without what is meant for that process alone."""
    own = ("GUNICORN_FD", "GUNICORN_PID", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET")
    return {name: value for name, value in proc.environment(master).items() if name not in own}


def _folder(master: Process) -> str:
    """The folder that the master was started in. As in gunicorn, a symlink keeps its name: it may have been
    switched since."""
    named = _environment(master).get("PWD", "")
    if os.path.isdir(named) and os.path.realpath(named) != named:
        return named
    return proc.folder(master)


def _as_owner_of(master: Process) -> Any:
    """The function to call before the trial begins, so that the application gets no more rights than
    its master has."""
    if os.geteuid() != 0:
        return None
    user, group, groups = proc.identity(master)

    def become() -> None:
        os.setgroups(groups)
        os.setgid(group)
        os.setuid(user)

    return become
