"""Restarts a gunicorn, in one of three ways, and waits until its workers have proved that they are ready."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Tuple

from rollout.agents.common import deadline, proc
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, NotRunning, nothing_signalled, say
from rollout.agents.gunicorn.configuration import configuration
from rollout.agents.gunicorn.launch import Unreadable, launch_of
from rollout.agents.gunicorn.log import log_of
from rollout.agents.gunicorn.on_trial import Limits, Outcome
from rollout.agents.gunicorn.ready import Listener
from rollout.agents.gunicorn.reload import reload
from rollout.agents.gunicorn.rolling import roll
from rollout.agents.gunicorn.trial import try_out
from rollout.agents.gunicorn.under_way import Restart, settled
from rollout.agents.gunicorn.upgrade import require_follower, upgrade
from rollout.agents.gunicorn.workers import serves, workers

_MODES = {
    "reload": reload,
    "rolling": roll,
    "upgrade": upgrade,
}
_ALL_REPLACED = 3.0
"""Seconds within which gunicorn starts a new worker if all have ended."""
_GRACEFUL = 30.0
"""Seconds of gunicorn's graceful_timeout, unless its configuration says otherwise."""
_MARGIN = 1.5
"""The time-out that we recommend, in times of what the trial took: the machine may be busier next time."""
_PUT_BACK = 3.0
"""Seconds before the time-out at which we give up, so that we can put back what we changed."""


class Options(NamedTuple):
    """`mode` is reload, rolling or upgrade. `notify` is a URL of UDP; None stands for a socket beside the
    pidfile. All times are in seconds. A trial must go on for `hold` after it has answered; without `drain`,
    gunicorn's graceful_timeout counts."""

    mode: str
    pidfile: str
    notify: Optional[str]
    ready: float
    drain: Optional[float]
    hold: float
    timeout: float
    check: bool = False
    """Only check that the restart can be carried out: load nothing but the configuration."""


def main(options: Options) -> None:
    end = deadline.before(options.timeout, _PUT_BACK)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    pidfile = options.pidfile
    master = proc.of_pidfile(pidfile)
    proc.may_signal(master)
    _require_alone(master, pidfile)
    listener = Listener(options.notify, pidfile)
    try:
        with nothing_signalled(check=options.check):
            if options.mode == "upgrade":
                require_follower(master, pidfile)
            facts, trial = _tried(master, options, listener, end)
        if options.check:
            return
        old = settled(master, facts["workers"], end)
        say(f"process {master.pid} has {len(old)} workers")
        restart = Restart(
            master=master,
            pidfile=pidfile,
            facts=facts,
            listener=listener,
            log=log_of(master, facts["log"]),
            ready=options.ready,
            drain=facts["graceful"] if options.drain is None else options.drain,
            deadline=end,
            trial=trial,
            hold=options.hold,
            shows=trial.shows if trial else any(map(serves, old)),
            serving={},
        )
        _MODES[options.mode](restart)
    finally:
        listener.close()


def _tried(
    master: Process, options: Options, listener: Listener, end: Deadline
) -> Tuple[Dict[str, Any], Optional[Outcome]]:
    """What the configuration says, and the outcome of the trial, unless `check` says that there is none.
    Raises Failed."""
    try:
        launch = launch_of(master)
        facts = configuration(launch, end.left)
        _require_fit(options.mode, facts, options.pidfile)
    except Unreadable as unreadable:
        if options.mode != "upgrade":
            raise
        say(f"the new code is not started on trial: {unreadable}")
        count = len(workers(master))
        return {"daemon": False, "graceful": _GRACEFUL, "log": None, "workers": count}, None
    if options.check:
        return facts, None
    trial = try_out(launch, options.mode, listener, Limits(options.ready, options.hold, end))
    count = len(settled(master, facts["workers"], end))
    _require_time(options, trial, count, end)
    return facts, trial


def _require_alone(master: Process, pidfile: str) -> None:
    """Raises Failed if the process is not a gunicorn master, or if another one runs beside it; NotRunning if
    it has no worker."""
    if "gunicorn" not in " ".join(proc.command_line(master)):
        line = " ".join(proc.command_line(master))
        raise Failed(f"process {master.pid} of {pidfile} is not gunicorn: its command line is {line}")
    second = Path(f"{pidfile}.2")
    if second.exists() and os.path.exists(f"/proc/{second.read_text().strip() or 0}"):
        raise Failed(
            f"two masters run (see {pidfile} and {second}): an upgrade by USR2 was begun and not finished; "
            "end one of the two with TERM"
        )
    # Those of a broken release end at once, and gunicorn starts others.
    if not deadline.after(_ALL_REPLACED).wait_for(lambda: bool(workers(master))):
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


def _require_time(options: Options, trial: Outcome, count: int, end: Deadline) -> None:
    """Raises Failed if as many workers cannot start in the time that is left."""
    in_turn = count if options.mode == "rolling" else 1
    needed = trial.worker * in_turn
    if needed < end.left:
        return
    enough = math.ceil(_MARGIN * (trial.whole + needed) / 10) * 10 + 10
    each = f", and {count} workers one after the other take {needed:.0f} s" if in_turn > 1 else ""
    raise Failed(
        f"the new code took {trial.worker:.0f} s to start on trial{each}, but only {end.left:.0f} s are left "
        f"of the time-out, so nothing was signalled: set `restart.timeout: {enough}s`"
    )


def _ended(number: int, _: Any) -> None:
    raise Failed(f"ended by {signal.Signals(number).name}: undoing what was not finished")
