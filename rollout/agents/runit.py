"""Restarts services of runit, one after another, until each is proven to run.

runit starts a service again a second after it has ended, for ever. So a process that runs proves nothing: it
must be the same one for some seconds.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import Dict, List, NamedTuple, Optional, Tuple

from rollout.agents.common import deadline, log, proc, programs
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.log import Log
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, NotRunning, NotThere, say

_ANSWER = 20.0
"""Seconds for `sv` to answer; it waits for up to 7 itself."""
_LOOK_AGAIN = 0.2
_DEATHS = 3
"""How many processes of the new release may end before it counts as broken."""
_NOBODY_SUPERVISES = ("runsv not running", "supervise/ok: file does not exist")
"""How `sv` says that no runsv runs for the service."""
_DOWN = 3.0
"""Seconds for which the service may be down in total: by then it has ended several times, too fast to be
seen."""
_STATUS = re.compile(r"(run|down|finish): (.+): (?:\(pid (\d+)\) )?\d+s(.*)")


class Options(NamedTuple):
    """`services` are names or absolute paths, as for `sv`. A new process must run for `steady` seconds;
    `timeout` is in seconds, too."""

    services: List[str]
    steady: float
    timeout: float
    check: bool = False
    """Only check that the restart can be carried out, and touch nothing."""


class Unanswered(Failed):
    """`sv` may not look at the service, or nothing supervises it."""


class Service(NamedTuple):
    """A service as `sv status` shows it. `logger` is the process of its own log service; both are None if
    they do not run. `shown` is the state in words."""

    name: str
    state: str
    process: Optional[Process]
    logger: Optional[Process]
    shown: str

    @property
    def is_down_by_design(self) -> bool:
        """Nobody has started it, and a file `down` in its folder says that nobody should."""
        return self.state == "down" and "normally up" not in self.shown and "want up" not in self.shown


def main(options: Options) -> None:
    end = deadline.before(options.timeout)
    control, before = _reach(options.services)
    by_design = all(service.is_down_by_design for service in before)
    for service in before:
        _require_restartable(control, service, nothing_runs=by_design)
    if options.check:
        return
    proven: Dict[str, Process] = {}
    # Services that are not running go first: if the release is broken, they cost nothing.
    for old in sorted(before, key=lambda service: service.process is not None):
        try:
            new = proven[old.name] = _restart(control, old, options.steady, end)
        except Failed as failed:
            raise Failed(f"{failed}{_others(control, old, options.services)}") from None
        say(
            f"{old.name} runs as process {new.pid}"
            + (f" in place of {old.process.pid}" if old.process else "")
        )
    for name, process in proven.items():
        now = _status(control, name)
        if now.state != "run" or now.process != process:
            _show(_log_of(now))
            raise Failed(
                f"BROKEN: {name} came up and is {now.shown}{_others(control, now, options.services)}"
            )


def _reach(names: List[str]) -> Tuple[List[str], List[Service]]:
    """The words that begin a command, as we are or by sudo, and what runit shows. Raises Failed."""
    reasons = []
    for control in programs.ways("sv"):
        try:
            return control, [_status(control, name) for name in names]
        except Unanswered as unanswered:
            reasons.append(str(unanswered))
    absent = any(words in reason for reason in reasons for words in _NOBODY_SUPERVISES)
    raise (NotRunning if absent else Failed)(f"runit does not answer: {'; '.join(reasons)}")


def _status(control: List[str], name: str) -> Service:
    answer = programs.run([*control, "status", name], _ANSWER)
    own, _, of_logger = answer.output.partition("; ")
    match = _STATUS.fullmatch(own)
    if match is None:
        if "unable to change to service directory: file does not exist" in answer.output:
            raise NotThere(f"runit has no service {name}: {answer.last}")
        raise Unanswered(answer.last)
    state, _, pid, more = match.groups()
    logger = _STATUS.fullmatch(of_logger)
    return Service(
        name,
        state,
        process=_running(pid),
        logger=_running(logger[3]) if logger else None,
        shown=state + more,
    )


def _running(pid: Optional[str]) -> Optional[Process]:
    return proc.find(int(pid)) if pid else None


def _require_restartable(control: List[str], service: Service, *, nothing_runs: bool) -> None:
    """Raises Failed if nobody means the service to run, or if sudo does not allow its restart; NotRunning if
    nobody means any of the services to run yet."""
    name = service.name
    if service.is_down_by_design:
        raise (NotRunning if nothing_runs else Failed)(
            f"{name} is down, and a file `down` in its folder keeps it down: start it once with "
            f"`sv up {name}`, or leave it out of `restart.runit`"
        )
    if control[0] == "sudo":
        *sudo, sv = control
        for command in ("restart", "check"):
            answer = programs.run([*sudo, "-l", sv, command, name], _ANSWER)
            if answer.status != 0:
                raise Failed(f"sudo does not allow `sv {command} {name}`: {answer.last}")


def _restart(control: List[str], old: Service, steady: float, end: Deadline) -> Process:
    """Stop and start a service; return its new process once that is proven to run. Raises Failed."""
    if end.passed:
        raise Failed(f"no time is left to restart {old.name}: it was not touched")
    its_log = _log_of(old)
    with suppress(Failed):  # its word proves nothing, and it waits for 7 s at most
        programs.run([*control, "restart", old.name], end.left)
    came: Dict[Process, float] = {}
    down = 0.0
    while True:
        now, moment = _status(control, old.name), time.monotonic()
        new = now.process if now.state == "run" and now.process != old.process else None
        if new is not None:
            since = came.setdefault(new, moment)
            if moment - since >= steady and _is_up(control, old.name):
                return new
        ended = sum(process != new for process in came)
        down += _LOOK_AGAIN if now.state == "down" else 0.0
        if ended >= _DEATHS or down >= _DOWN:
            _show(its_log)
            raise Failed(f"BROKEN: {old.name} was restarted, but ends as soon as it has started")
        if end.passed:
            raise _late(old, now, its_log, steady)
        time.sleep(_LOOK_AGAIN)


def _is_up(control: List[str], name: str) -> bool:
    """Whether the service's own script `check`, if it has one, finds it available."""
    return programs.run([*control, "check", name], _ANSWER).status == 0


def _late(old: Service, now: Service, its_log: Log, steady: float) -> Failed:
    if old.process is not None and proc.lives(old.process):
        return Failed(
            f"{old.name} has not stopped in time: process {old.process.pid} got TERM and still runs; "
            "runit starts the new one when it ends"
        )
    _show(its_log)
    if now.state == "run":
        return Failed(
            f"BROKEN: {old.name} was restarted and runs, but not for {steady:g} s yet, "
            "or its script `check` does not find it available"
        )
    return Failed(f"BROKEN: {old.name} was restarted and is {now.shown}")


def _log_of(service: Service) -> Log:
    """The log that the service's own logger writes, or else the service itself."""
    process = service.logger or service.process
    return Log([]) if process is None else log.of_process(process)


def _show(its_log: Log) -> None:
    for line in its_log.last_lines():
        say(line)


def _others(control: List[str], service: Service, names: List[str]) -> str:
    """How many of the other services run, in words."""
    others = [_status(control, name) for name in names if name != service.name]
    run = sum(other.state == "run" for other in others)
    return f"; {run} of the other {len(others)} run" if others else ""
