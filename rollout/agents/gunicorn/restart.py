"""Restarts a gunicorn, in one of three ways, and waits until its workers have proved that they are ready."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional

from rollout.agents.common import deadline, proc
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, NotRunning, nothing_signalled, say
from rollout.agents.gunicorn.loading import Unreadable, facts
from rollout.agents.gunicorn.log import log_of
from rollout.agents.gunicorn.ready import Listener
from rollout.agents.gunicorn.reload import reload
from rollout.agents.gunicorn.rolling import roll
from rollout.agents.gunicorn.upgrade import upgrade
from rollout.agents.gunicorn.workers import Restart, workers

_MODES = {
    "reload": reload,
    "rolling": roll,
    "upgrade": upgrade,
}
_WORKERS_COME = 2.0
"""Seconds for a gunicorn without workers to start one."""
_PUT_BACK = 3.0
"""Seconds before the time-out at which we give up, so that we can put back what we changed."""


class Options(NamedTuple):
    """`mode` is reload, rolling or upgrade. `notify` is a URL of UDP; None stands for a socket beside the
    pidfile. `ready` and `timeout` are in seconds."""

    mode: str
    pidfile: str
    notify: Optional[str]
    ready: float
    timeout: float
    check: bool = False
    """Only check that the restart can be carried out: load nothing but the configuration."""


def main(options: Options) -> None:
    end = deadline.before(options.timeout, _PUT_BACK)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    mode, pidfile = options.mode, options.pidfile
    master = proc.of_pidfile(pidfile)
    proc.may_signal(master)
    _require_alone(master, pidfile)
    listener = Listener(options.notify, pidfile)
    try:
        with nothing_signalled(check=options.check):
            configuration = _tried(master, options, end)
        if not options.check:
            say(f"process {master.pid} has {len(workers(master))} workers")
            log = log_of(master, configuration["log"])
            _MODES[mode](Restart(master, pidfile, configuration, listener, log, options.ready, end))
    finally:
        listener.close()


def _tried(master: Process, options: Options, end: Deadline) -> Dict[str, Any]:
    """What the configuration says, once the new code has been loaded on trial. Raises Failed."""
    mode = options.mode
    try:
        configuration = facts(master, end.left, load=not options.check)
        _require_fit(mode, configuration, options.pidfile)
    except Unreadable as unreadable:
        if mode != "upgrade":
            raise
        say(f"the new code is not loaded on trial: {unreadable}")
        return {"daemon": False, "log": None, "workers": len(workers(master))}
    return configuration


def _require_alone(master: Process, pidfile: str) -> None:
    """Raises Failed if the process is not a gunicorn master, or if another one runs beside it; NotRunning if
    it has no worker."""
    if "gunicorn" not in " ".join(proc.command_line(master)):
        line = " ".join(proc.command_line(master))
        raise Failed(f"process {master.pid} of {pidfile} is not gunicorn: its command line is {line}")
    second = Path(f"{pidfile}.2")
    if second.exists() and os.path.exists(f"/proc/{second.read_text().strip() or 0}"):
        raise Failed(
            f"another master runs beside process {master.pid} (see {second}): an upgrade by USR2 was begun "
            "and not finished; end one of the two with TERM"
        )
    # Those of a broken release end at once, and gunicorn starts others.
    if not deadline.after(_WORKERS_COME).wait_for(lambda: bool(workers(master))):
        raise NotRunning(
            f"process {master.pid} of {pidfile} has no workers: it is not a gunicorn master, or it is ending"
        )


def _require_fit(mode: str, configuration: Dict[str, Any], pidfile: str) -> None:
    """Raises Failed if such a restart could not be carried out, or not be proved."""
    if configuration["preload"] and mode != "upgrade":
        raise Failed(
            "gunicorn has preload_app: new workers of the running master would run the old code; "
            "use mode: upgrade, or turn preload_app off"
        )
    if not configuration["reports"]:
        raise Failed(
            "gunicorn's workers would not report that they are ready: add this line to its "
            "configuration file: `from rollout.app.gunicorn import post_worker_init`"
        )
    if configuration["dirty"]:
        raise Failed("gunicorn has dirty workers, which this driver does not know how to restart")
    if configuration["pidfile"] != os.path.realpath(pidfile):
        raise Failed(
            f"the inventory has the pidfile {pidfile}, "
            f"and gunicorn's configuration has {configuration['pidfile']}"
        )


def _ended(number: int, _: Any) -> None:
    raise Failed(f"ended by {signal.Signals(number).name}: undoing what was not finished")
