"""Restarts the processes of programs or groups of a supervisor, one after another, until each is proven to
run."""

from __future__ import annotations

import re
import time
from typing import Dict, List, NamedTuple, Optional, Tuple

from rollout.agents.common import deadline, proc, programs
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.programs import Ended, NotStarted
from rollout.agents.common.talk import Failed, NotRunning, NotThere, say

_ANSWER = 20.0
"""Seconds for what supervisor answers at once."""
_STATES = "STOPPED|STARTING|RUNNING|BACKOFF|STOPPING|EXITED|FATAL|UNKNOWN"
_LINE = re.compile(rf"(\S+) +({_STATES}) *(?:pid (\d+), .*|(.*?)) *")
_LAST_LINES = 10
_LOOK_AGAIN = 0.5
_NOBODY_THERE = ("no such file", "refused connection")
"""How supervisorctl says that no supervisor listens at its socket."""
_NO_FILE = "could not find config file"
_NOT_FOUND = (": not found on this machine", "http://localhost:9001 ")
"""How it shows that there is no supervisorctl, or that it has found no configuration."""
_SETTINGS = "`supervisorctl` and `configuration` under restart.supervisor"


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
    """`programs` are programs or groups, such as shop:*. `configuration` is the file that `supervisorctl`
    reads, if it does not find it by itself. What was started must live for `steady` seconds; `timeout` is in
    seconds, too."""

    programs: List[str]
    supervisorctl: str
    configuration: Optional[str]
    steady: float
    timeout: float
    check: bool = False
    """Only check that the restart can be carried out, and touch nothing."""


class Control(NamedTuple):
    """A supervisorctl: the words that begin its command, after those of `sudo`, if it needs that."""

    sudo: List[str]
    words: List[str]

    def run(self, *words: str, timeout: float = _ANSWER) -> Ended:
        return programs.run([*self.sudo, *self.words, *words], timeout)


def main(options: Options) -> None:
    end = deadline.before(options.timeout)
    control, before = _reach(options)
    if options.check:
        _may_restart(control, before[0])
        return
    pids: Dict[str, int] = {}
    # Those that are not running go first: if the release is broken, they cost nothing.
    for old in sorted(before, key=lambda process: process.state == "RUNNING"):
        if len(pids) == 1:
            _require_steady(control, pids, options, end)  # the others are restarted only if it lives
        said = _restart(control, old, end)
        new = _status(control, [old.name])[0]
        if new.state != "RUNNING":
            _broken(control, new, options.programs)
        if new.pid == old.pid:
            raise Failed(f"{new.name} was not restarted, and runs as before: {said}")
        say(f"{new.name} runs as process {new.pid}" + (f" in place of {old.pid}" if old.pid else ""))
        pids[new.name] = new.pid
    _require_steady(control, pids, options, end)


def _require_steady(control: Control, pids: Dict[str, int], options: Options, end: Deadline) -> None:
    """Wait until all that was restarted has lived long enough. Raises Failed."""
    begun = time.monotonic()
    while True:
        steady = all(_lived(pid, begun) >= options.steady for pid in pids.values())
        for now in _status(control, options.programs):
            if now.name in pids and (now.state != "RUNNING" or now.pid != pids[now.name]):
                _broken(control, now, options.programs)
        if steady:
            return
        if end.passed:
            raise Failed(f"{', '.join(pids)} runs, but not for {options.steady:g} s yet")
        time.sleep(_LOOK_AGAIN)


def _lived(pid: int, seen: float) -> float:
    """Seconds for which a process has lived; at least since it was `seen`, where another machine runs it."""
    process = proc.find(pid)
    return proc.age(process) if process else time.monotonic() - seen


def _reach(options: Options) -> Tuple[Control, List[Process]]:
    """The supervisorctl that is answered, as we are or by sudo, and what supervisor shows. Raises Failed."""
    own = [] if options.configuration is None else ["-c", options.configuration]
    why = []
    for way in programs.ways(options.supervisorctl):
        control = Control(way[:-1], [way[-1], *own])
        try:
            return control, _status(control, options.programs)
        except (Unanswered, NotStarted) as reason:
            why.append(str(reason))
    raise _unanswered(why)


def _unanswered(why: List[str]) -> Failed:
    # A user who may not look there hears the same: so whoever else was tried must hear it, too.
    def all_say(*words: str) -> bool:
        return all(any(one in reason for one in words) for reason in why)

    kind = NotRunning if all_say(*_NOBODY_THERE) else NotThere if all_say(_NO_FILE) else Failed
    elsewhere = any(words in reason for reason in why for words in _NOT_FOUND)
    hint = f" (if it lies elsewhere, set {_SETTINGS})" if elsewhere else ""
    return kind(f"supervisor does not answer: {'; '.join(why)}{hint}")


def _status(control: Control, names: List[str]) -> List[Process]:
    answer = control.run("status", *names)
    lines = answer.output.split("\n")
    unknown = [line for line in lines if "ERROR (no such" in line]
    if unknown:
        raise NotThere(f"supervisor has no {' '.join(names)}: {unknown[0]}")
    # There may be other lines, such as Python's warnings about supervisor itself.
    shown = filter(None, map(_LINE.fullmatch, lines))
    processes = [Process(line[1], line[2], int(line[3] or 0), line[4] or "") for line in shown]
    if not processes:
        raise Unanswered(next((line for line in lines if line.startswith("Error:")), answer.last))
    return list({process.name: process for process in processes}.values())


def _may_restart(control: Control, process: Process) -> None:
    if control.sudo:
        words = [*control.words, "restart", process.name]
        answer = programs.run([*control.sudo, "-l", *words], _ANSWER)
        if answer.status != 0:
            raise Failed(f"sudo does not allow `{' '.join(words)}`: {answer.last}")


def _restart(control: Control, process: Process, end: Deadline) -> str:
    """Stop and start a process; supervisor waits for `startsecs`. Returns the last line that supervisorctl
    prints, which proves nothing. Raises Failed."""
    if end.passed:
        raise Failed(f"no time is left to restart {process.name}: it runs as before")
    return control.run("restart", process.name, timeout=end.left).last


def _broken(control: Control, process: Process, names: List[str]) -> None:
    """Print the last lines of the process, and raise Failed: it did not come up."""
    for stream in ("stderr", "stdout"):
        tail = control.run("tail", process.name, stream)
        if tail.status == 0 and tail.output:
            for line in tail.output.split("\n")[-_LAST_LINES:]:
                say(line)
            break
    others = [other for other in _status(control, names) if other.name != process.name]
    run = sum(other.state == "RUNNING" for other in others)
    rest = f"; {run} of the other {len(others)} of {' '.join(names)} run" if others else ""
    again = f"has ended since, and runs again as process {process.pid}"
    state = again if process.state == "RUNNING" else f"is {process}"
    raise Failed(f"BROKEN: {process.name} was restarted and {state}{rest}")
