"""Reloads a uWSGI by its master FIFO, and waits until each of its workers is a new one that accepts requests.

uWSGI carries the reload out by itself: if nobody listens to the agent any more, only its report is lost.
"""

from __future__ import annotations

import time
from typing import List, NamedTuple, Set, Tuple

from rollout.agents.common import deadline, proc
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.log import Log
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, Untouched, nothing_signalled, say
from rollout.agents.uwsgi import helpers, processes
from rollout.agents.uwsgi.loading import must_load, names_one
from rollout.agents.uwsgi.processes import Child
from rollout.agents.uwsgi.refork import Reforking, clear_up, find_reader, follower
from rollout.agents.uwsgi.rules import must_fit
from rollout.agents.uwsgi.settings import Settings, settings_of

_LOOK_AGAIN = 0.1
_TRIES = 3
"""How many workers may die before they accept anything, until the new release counts as broken."""
_STILL = 3.0
"""Seconds without a change after which a chain begun by an earlier run counts as over."""
_EMPTY = "no app loaded. going in full dynamic mode"


class Options(NamedTuple):
    """`mode` is chain, refork or reload. New workers must live for `steady` seconds; `timeout` is in seconds,
    too."""

    fifo: str
    mode: str
    steady: float
    timeout: float
    check: bool = False
    """Only check that the restart can be carried out, and touch nothing."""


def main(options: Options) -> None:
    fifo, mode = options.fifo, options.mode
    end = deadline.before(options.timeout)
    with nothing_signalled(check=options.check):
        master, settings = _found(fifo, mode)
        watcher = follower(master, settings) if mode == "refork" else None
        if mode == "chain":
            helpers.may_be_replaced(master)
        if options.check:
            return
        must_load(master, settings, end)
    log = processes.log_of(master, settings.all("logto", "logto2", "daemonize"))
    try:
        if mode == "refork":
            clear_up(master, fifo, settings)
            master, new = Reforking(master, fifo, settings, watcher).refork(end)
        else:
            new = _Replacing(master, fifo, mode, settings.workers).replace_workers(end)
        _require_steady(master, new, settings, options.steady, end)
        if mode == "chain":
            helpers.replace(master, options.steady, end)
        if names_one(settings) and any(_EMPTY in line for line in log.written()):
            raise Failed(
                "BROKEN: the new workers run without an application, and answer 500: set `need-app` in "
                "uWSGI's settings (for a chain, with `lazy`)"
            )
    except Failed:
        _show(log)
        raise


def _found(fifo: str, mode: str) -> Tuple[Process, Settings]:
    """The master that reads the FIFO, and its settings, which fit. Raises Failed."""
    master = find_reader(fifo) if mode == "refork" else processes.reader(fifo)
    if master is None:
        raise processes.nobody_reads(fifo)
    settings = settings_of(master)
    must_fit(settings, mode, fifo)
    return master, settings


def _require_steady(
    master: Process, new: List[Process], settings: Settings, steady: float, end: Deadline
) -> None:
    """Raises Failed if within `steady` seconds uWSGI itself ends, or a new worker; all of them, where uWSGI
    may end some that are well."""

    def ended() -> List[bool]:
        return [not proc.lives(worker) for worker in new]

    died = all if settings.may_end_workers else any
    if end.or_after(steady).wait_for(lambda: not proc.lives(master) or died(ended()), every=_LOOK_AGAIN):
        if not proc.lives(master):
            raise Failed(f"BROKEN: uWSGI (process {master.pid}) ended within {steady:g} s")
        raise Failed(
            f"BROKEN: {sum(ended())} of {len(new)} new workers ended within {steady:g} s, and uWSGI starts "
            "others again and again"
        )


def _show(log: Log) -> None:
    if not log.has_files:
        say("uWSGI does not log to a file: look for the reason wherever it logs")
    for line in log.last_lines(processes.may_tell_why):
        say(line)


class _Replacing:
    """The change of one master's workers: one by one (chain), or all at once (reload)."""

    def __init__(self, master: Process, fifo: str, mode: str, workers: int) -> None:
        self._master, self._fifo = master, fifo
        self._command = mode[0]
        self._old = [child.process for child in processes.family(master)]
        self._serving = processes.accepting(master)
        self._wanted = max(1, workers, len(self._serving))
        self._came: Set[Process] = set()
        self._good: Set[Process] = set()

    def replace_workers(self, end: Deadline) -> List[Process]:
        """The new workers, once uWSGI has replaced all and they accept. Raises Failed."""
        processes.tell(self._fifo, self._command)
        seen: List[Child] = []
        since = time.monotonic()
        while True:
            children = processes.family(self._master)
            new = [one for one in processes.accepting(self._master, children) if one not in self._old]
            left = [one for one in self._serving if proc.lives(one)]
            if not left and len(new) >= self._wanted:
                say(f"process {self._master.pid} has {len(new)} new workers that accept, and no old one")
                return new
            if children != seen:
                seen, since = children, time.monotonic()
            self._judge(children, new, left, end)
            if self._command == "c" and time.monotonic() - since > _STILL:
                # A chain that was already running, for another release, did not start over for this one.
                processes.tell(self._fifo, self._command)
                since = time.monotonic()
            time.sleep(_LOOK_AGAIN)

    def _judge(self, children: List[Child], new: List[Process], left: List[Process], end: Deadline) -> None:
        if not proc.lives(self._master):
            raise Failed(
                f"BROKEN: uWSGI (process {self._master.pid}) ended, and nothing serves: start it with a "
                "release that it can load"
            )
        self._good.update(new)
        self._came.update(child.process for child in children if child.process not in self._old)
        died = [one for one in self._came - self._good if not proc.lives(one)]
        serve = f"{len(left)} of {self._wanted} old workers keep serving" if left else "no old worker is left"
        if len(died) >= _TRIES:
            # uWSGI goes on with the release that is put back.
            raise (Untouched if left and not self._good else Failed)(
                f"BROKEN: {len(died)} new workers died before they accepted a request; {serve}, and uWSGI "
                "keeps trying until it can load the release on the disk"
            )
        if end.passed:
            raise self._late(new, serve)

    def _late(self, new: List[Process], serve: str) -> Failed:
        ready = f"{len(new)} of {self._wanted} workers are new and accept requests; {serve}"
        known = {*self._old, *self._good}
        if any(one not in known for one in processes.workers(self._master)):
            return Failed(f"BROKEN: a new worker did not accept in time: {ready}")
        return Failed(f"an old worker has not ended; it may still be answering a request: {ready}")
