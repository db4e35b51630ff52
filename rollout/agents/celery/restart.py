"""Restarts a Celery worker: it leaves its queues and finishes its tasks, and the new one must execute a
task."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import Any, Iterator, List, NamedTuple, Optional

from rollout.agents.celery.app import broker_of, load, require_routing
from rollout.agents.celery.task import TASK, executed, require_queues_allowed
from rollout.agents.celery.worker import Life, Worker, began_after, wait_for
from rollout.agents.common import deadline, log, proc
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.log import Log
from rollout.agents.common.talk import Failed, nothing_signalled, say, still_heard

_ENDINGS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_LOOK_AGAIN = 0.2
_UNDER_WAY = 2.0
"""Seconds in which a task may still reach a worker that has left its queues: it waits at Redis a second at a
time, and puts back for the others what it gets then, but only while it runs."""
_NAMED = 5
"""How many unfinished tasks are named."""
_LIFE = 5.0
"""Seconds for a worker to show that it still lives."""


class Options(NamedTuple):
    """`node` is the worker's node name, `start` a shell line that restarts it. `drain`, `steady` and
    `timeout` are in seconds; `timeout` counts from the end of the drain, and the new worker must live for
    `steady`."""

    app: str
    directory: Optional[str]
    node: str
    drain: float
    start: str
    steady: float
    timeout: float
    check: bool = False
    """Only check that the restart can be carried out, and touch nothing."""


def main(options: Options) -> None:
    """Restart the worker, or start it if it does not run. The new code must load before anything is touched;
    otherwise the old worker keeps running."""
    begun = time.monotonic()
    with nothing_signalled(check=options.check):
        app = load(options.app, options.directory)
        require_routing(app, TASK)
        if not options.check:
            with broker_of(app):
                require_queues_allowed(app)
    with broker_of(app) as url:
        worker = Worker(app, options.node)
        if options.check:
            worker.require(url)
            return
        old = worker.present()
        queues = (worker.queues() or []) if old else []
        # Queues that end with their consumer, such as a broadcast's, have another name each time.
        lasting = [queue["name"] for queue in queues if not queue["auto_delete"]]
        workers_log = _log_of(old)
        with _away_from(worker, [queue["name"] for queue in queues]):
            if old is None:
                say(f"{worker.node} does not answer: it is started")
            else:
                _finish_tasks(worker, old, options.drain)
            end = deadline.after(options.timeout)
            with _explained_by(workers_log):
                new = _start(worker, options, old, begun, end)
            steady = deadline.after(options.steady)
        with _explained_by(workers_log):
            require_queues(worker, lasting, end)
            require_execution(app, worker, end, options.timeout)
            require_life(worker, new, steady, end)


def _log_of(worker: Optional[Life]) -> Log:
    """The log of a worker and its successor. A worker elsewhere, such as in a container, shows none here."""
    process = None if worker is None else proc.find(worker.pid)
    return Log([]) if process is None else log.of_process(process)


@contextmanager
def _away_from(worker: Worker, queues: List[str]) -> Iterator[None]:
    """Make the worker leave these queues. If the block ends early for any reason, the worker is told to
    consume them again."""
    if not queues:
        yield
        return
    for number in _ENDINGS:
        signal.signal(number, _end)
    try:
        worker.leave(queues)
        yield
    except BaseException as error:
        for number in _ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        back = False
        with suppress(Exception):
            back = worker.come_back(queues)
        listed = ", ".join(queues)
        then = (
            f"{worker.node} consumes {listed} again"
            if back
            else f"{worker.node} may no longer be consuming {listed}: restart it yourself"
        )
        if isinstance(error, Failed):
            raise Failed(f"{error}; {then}") from None
        if isinstance(error, Exception):
            say(then)
        raise


def _end(number: int, _: Any) -> None:
    raise SystemExit(1)


@contextmanager
def _explained_by(workers_log: Log) -> Iterator[None]:
    """Print the end of the log before a failure of the block, which is marked as BROKEN."""
    try:
        yield
    except Failed as failed:
        for line in workers_log.last_lines():
            say(line)
        raise Failed(f"BROKEN: {failed}") from None


def _finish_tasks(worker: Worker, old: Life, seconds: float) -> None:
    """Wait until the worker has no task left. Raises Failed with the tasks that are left after `seconds`."""
    under_way, end = deadline.after(_UNDER_WAY), deadline.after(seconds)
    shown = -1
    while True:
        tasks = worker.tasks()
        if tasks == [] and under_way.passed:
            say(f"{worker.node} (process {old.pid}) consumes no queue and has no task left")
            return
        if tasks != [] and end.passed:
            if tasks is None:
                raise Failed(f"{worker.node} no longer answers")
            named = ", ".join(f"{task['name']} {task['id']}" for task in tasks[:_NAMED])
            raise Failed(f"{worker.node} has {len(tasks)} tasks left after {seconds:g} s: {named}")
        if tasks and len(tasks) != shown:
            shown = len(tasks)
            say(f"{worker.node} (process {old.pid}) consumes no queue and has {shown} tasks left")
        still_heard()
        time.sleep(_LOOK_AGAIN)


def _run_start_line(line: str, end: Deadline) -> None:
    process = subprocess.Popen(["sh", "-c", line], stdin=subprocess.DEVNULL)
    if not wait_for(lambda: process.poll() is not None, end):
        process.kill()
        process.wait()
        raise Failed(f"`{line}` did not end in time")
    if process.returncode != 0:
        raise Failed(f"`{line}` exited with {process.returncode}")


def _start(worker: Worker, options: Options, old: Optional[Life], begun: float, end: Deadline) -> Life:
    """Run the start line, and wait for another run of the worker than the old one; if none answered, for one
    since `begun`. Raises Failed."""
    asked = time.monotonic()
    _run_start_line(options.start, end)
    seen: List[Life] = []

    def came() -> bool:
        life = worker.life()
        seen[:] = [] if life is None else [life]
        if life is None or not (life.follows(old) if old else began_after(life, begun)):
            return False
        # One that somebody else has started since is of the new release too, but the line may be ending it.
        return began_after(life, asked) or time.monotonic() - asked >= options.steady

    if not wait_for(came, end):
        state = "is still the old process" if seen else "does not answer"
        raise Failed(f"{worker.node} {state} {options.timeout:g} s after it was told to restart")
    say(f"{worker.node} is process {seen[0].pid} now")
    return seen[0]


def require_life(worker: Worker, life: Life, steady: Deadline, end: Deadline) -> None:
    """Wait until the worker has lived for long enough in this life. Raises Failed."""
    wait_for(lambda: steady.passed, end)
    if not wait_for(lambda: worker.life() is not None, end.or_after(_LIFE)):
        raise Failed(f"{worker.node} (process {life.pid}) was started, and no longer answers")
    now = worker.life()
    if now is not None and now.pid != life.pid:
        raise Failed(f"{worker.node} was started, and has ended: it is process {now.pid} now")


def require_queues(worker: Worker, queues: List[str], end: Deadline) -> None:
    """Raises Failed if the worker does not consume these queues. A worker begins with all its queues at
    once."""
    wait_for(lambda: bool(worker.consumed()), end)
    consumed = worker.consumed()
    missing = [queue for queue in queues if queue not in consumed]
    if missing or not consumed:
        raise Failed(
            f"{worker.node} no longer consumes {', '.join(missing) or 'any queue'}: if that "
            "is intended, run `celery control cancel_consumer` first"
        )
    say(f"{worker.node} consumes {', '.join(consumed)}")


def require_execution(app: Any, worker: Worker, end: Deadline, seconds: float) -> None:
    """Raises Failed if the worker does not execute our test task, unless it is busy with tasks of
    its queues."""
    if executed(app, worker, end):
        say(f"{worker.node} has executed rollout's test task")
    elif worker.busy():
        say(f"{worker.node} is as busy as it can be: rollout's test task had to wait behind other tasks")
    else:
        raise Failed(f"{worker.node} did not execute rollout's test task within {seconds:g} s")
