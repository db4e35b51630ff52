"""Restarts the processes of a supervisor program or group, one after another, until each is proven to run."""

from __future__ import annotations

import re
import time
from typing import Dict, List, NamedTuple, Tuple

from rollout.agents.common import deadline, proc, programs
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.talk import Failed, NotRunning, NotThere, say

_ANSWER = 20.0
"""Seconds for what supervisor answers at once."""
_STATES = "STOPPED|STARTING|RUNNING|BACKOFF|STOPPING|EXITED|FATAL|UNKNOWN"
_LINE = re.compile(rf"(\S+) +({_STATES}) *(?:pid (\d+), .*|(.*?)) *")
_LAST_LINES = 10
_LOOK_AGAIN = 0.5
_NOBODY_THERE = ("no such file", "refused connection")
"""How supervisorctl says that no supervisor listens at its socket."""


class Unanswered(Failed):
    """supervisorctl did not print what supervisor shows."""


class Process(NamedTuple):
    """A process as supervisor shows it. `pid` is 0 if none runs."""

    name: str
    state: str
    pid: int
    detail: str

    def __str__(self) -> str:
        return f"{self.state} ({self.detail})" if self.detail else self.state


class Options(NamedTuple):
    """`program` is a program or a group, such as shop:*. What was started must live for `steady` seconds;
    `timeout` is in seconds, too."""

    program: str
    steady: float
    timeout: float
    check: bool = False
    """Only check that the restart can be carried out, and touch nothing."""


def main(options: Options) -> None:
    end = deadline.before(options.timeout)
    control, before = _reach(options.program)
    if options.check:
        _may_restart(control, before[0])
        return
    pids: Dict[str, int] = {}
    # Those that are not running go first: if the release is broken, they cost nothing.
    for old in sorted(before, key=lambda process: process.state == "RUNNING"):
        if len(pids) == 1:
            _require_steady(control, pids, options, end)  # the others are restarted only if it lives
        said = _restart(control, old, end)
        new = _status(control, old.name)[0]
        if new.state != "RUNNING":
            _broken(control, new, options.program)
        if new.pid == old.pid:
            raise Failed(f"{new.name} was not restarted, and runs as before: {said}")
        say(f"{new.name} runs as process {new.pid}" + (f" in place of {old.pid}" if old.pid else ""))
        pids[new.name] = new.pid
    _require_steady(control, pids, options, end)


def _require_steady(control: List[str], pids: Dict[str, int], options: Options, end: Deadline) -> None:
    """Wait until all that was restarted has lived long enough. Raises Failed."""
    begun = time.monotonic()
    while True:
        steady = all(_lived(pid, begun) >= options.steady for pid in pids.values())
        for now in _status(control, options.program):
            if now.name in pids and (now.state != "RUNNING" or now.pid != pids[now.name]):
                _broken(control, now, options.program)
        if steady:
            return
        if end.passed:
            raise Failed(f"{', '.join(pids)} runs, but not for {options.steady:g} s yet")
        time.sleep(_LOOK_AGAIN)


def _lived(pid: int, seen: float) -> float:
    """Seconds for which a process has lived; at least since it was `seen`, where another machine runs it."""
    process = proc.find(pid)
    return proc.age(process) if process else time.monotonic() - seen


def _reach(program: str) -> Tuple[List[str], List[Process]]:
    """The words that begin a command, as we are or by sudo, and what supervisor shows. Raises Failed."""
    why = []
    for control in programs.ways("supervisorctl"):
        try:
            return control, _status(control, program)
        except Unanswered as unanswered:
            why.append(str(unanswered))
    raise _unanswered(why)


def _unanswered(why: List[str]) -> Failed:
    # A user who may not look there hears the same: so whoever else was tried must hear it, too.
    absent = all(any(words in reason for words in _NOBODY_THERE) for reason in why)
    return (NotRunning if absent else Failed)(f"supervisor does not answer: {'; '.join(why)}")


def _status(control: List[str], program: str) -> List[Process]:
    answer = programs.run([*control, "status", program], _ANSWER)
    if "ERROR (no such" in answer.output:
        raise NotThere(f"supervisor has no {program}: {answer.last}")
    # There may be other lines, such as Python's warnings about supervisor itself.
    lines = filter(None, map(_LINE.fullmatch, answer.output.split("\n")))
    processes = [Process(line[1], line[2], int(line[3] or 0), line[4] or "") for line in lines]
    if not processes:
        raise Unanswered(answer.last)
    return processes


def _may_restart(control: List[str], process: Process) -> None:
    if control[0] == "sudo":
        *sudo, supervisorctl = control
        answer = programs.run([*sudo, "-l", supervisorctl, "restart", process.name], _ANSWER)
        if answer.status != 0:
            raise Failed(f"sudo does not allow `supervisorctl restart {process.name}`: {answer.last}")


def _restart(control: List[str], process: Process, end: Deadline) -> str:
    """Stop and start a process; supervisor waits for `startsecs`. Returns the last line that supervisorctl
    prints, which proves nothing. Raises Failed."""
    if end.passed:
        raise Failed(f"no time is left to restart {process.name}: it runs as before")
    return programs.run([*control, "restart", process.name], end.left).last


def _broken(control: List[str], process: Process, program: str) -> None:
    """Print the last lines of the process, and raise Failed: it did not come up."""
    for stream in ("stderr", "stdout"):
        tail = programs.run([*control, "tail", process.name, stream], _ANSWER)
        if tail.status == 0 and tail.output:
            for line in tail.output.split("\n")[-_LAST_LINES:]:
                say(line)
            break
    others = [other for other in _status(control, program) if other.name != process.name]
    run = sum(other.state == "RUNNING" for other in others)
    rest = f"; {run} of the other {len(others)} of {program} run" if others else ""
    again = f"has ended since, and runs again as process {process.pid}"
    state = again if process.state == "RUNNING" else f"is {process}"
    raise Failed(f"BROKEN: {process.name} was restarted and {state}{rest}")
