"""Restarts a gunicorn, in one of three ways, and waits until its workers have proved that they are ready."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, Dict

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, say
from rollout.agents.gunicorn import reload, rolling, upgrade
from rollout.agents.gunicorn.check import Unreadable, facts
from rollout.agents.gunicorn.log import Log
from rollout.agents.gunicorn.ready import Listener
from rollout.agents.gunicorn.workers import Restart, workers

_MODES = {
    "reload": reload.carry_out,
    "rolling": rolling.carry_out,
    "upgrade": upgrade.carry_out,
}
_IN_HAND = 3.0
"""Seconds before the time-out at which we give up, so that we can put back what we changed, and say why."""


def main(told: Dict[str, Any]) -> None:
    """`told`: `mode`, `pidfile`, `notify` (or None), `ready` and `timeout` in seconds, and `check`: look,
    and load nothing but the configuration.
    """
    deadline = time.monotonic() + max(told["timeout"] - _IN_HAND, told["timeout"] / 2)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    mode, pidfile = told["mode"], told["pidfile"]
    master = proc.of_pidfile(pidfile)
    proc.may_signal(master)
    _require_alone(master, pidfile)
    listener = Listener(told["notify"], pidfile)
    try:
        try:
            found = facts(master, deadline - time.monotonic(), load=not told["check"])
            _require_fit(mode, found, pidfile)
        except Unreadable as unreadable:
            if mode != "upgrade":
                raise
            say(f"the new code is not tried beforehand: {unreadable}")
            found = {"daemon": False, "log": None, "workers": len(workers(master))}
        if not told["check"]:
            say(f"process {master.pid} has {len(workers(master))} workers")
            log = Log(master, found["log"])
            _MODES[mode](Restart(master, pidfile, found, listener, log, told["ready"], deadline))
    finally:
        listener.close()


def _require_alone(master: Process, pidfile: str) -> None:
    if "gunicorn" not in " ".join(proc.command_line(master)):
        line = " ".join(proc.command_line(master))
        raise Failed(f"process {master.pid} of {pidfile} is no gunicorn: its command line is {line}")
    second = Path(f"{pidfile}.2")
    if second.exists() and os.path.exists(f"/proc/{second.read_text().strip() or 0}"):
        raise Failed(
            f"another master runs beside process {master.pid} (see {second}): an upgrade by USR2 was begun "
            "and not finished; end one of the two with TERM"
        )
    if not workers(master):
        raise Failed(
            f"process {master.pid} of {pidfile} has no workers: it is no gunicorn master, or it is ending"
        )


def _require_fit(mode: str, found: Dict[str, Any], pidfile: str) -> None:
    """Raises Failed where that restart could not be carried out, or not be proved."""
    if found["preload"] and mode != "upgrade":
        raise Failed(
            "gunicorn has preload_app: new workers of a master that runs would run the old code; "
            "use mode: upgrade, or do without preload_app"
        )
    if not found["reports"]:
        raise Failed(
            "gunicorn's workers would not report that they are ready: have its configuration file say "
            "`from rollout.app.gunicorn import post_worker_init`"
        )
    if found["dirty"]:
        raise Failed("gunicorn has dirty workers, which this driver does not know how to restart")
    if found["pidfile"] != os.path.realpath(pidfile):
        raise Failed(
            f"the inventory has the pidfile {pidfile}, and gunicorn's configuration has {found['pidfile']}"
        )


def _ended(number: int, _: Any) -> None:
    raise Failed(f"ended by {signal.Signals(number).name}: what was not finished is put back")
