"""Restarts a Celery worker that has left its queues, and sees the new one execute a task."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import Any, Dict, Iterator, List

from rollout.agents.celery.app import broker_of, load
from rollout.agents.celery.last_words import LastWords
from rollout.agents.celery.task import executed
from rollout.agents.celery.worker import Life, Worker, wait_for
from rollout.agents.common.talk import Failed, say, still_heard

_ENDINGS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_LOOK_AGAIN = 0.2
_UNDER_WAY = 2.0
"""Seconds in which a task may still reach a worker that has left its queues: it waits at Redis a second at a
time, and puts back for the others what it gets then, but only while it runs."""
_NAMED = 5
"""Of the tasks that do not finish, so many are named."""


def main(told: Dict[str, Any]) -> None:
    """The new code must load before anything is touched: where it does not, the old worker goes on."""
    app = load(told["app"], told["directory"])
    with broker_of(app) as url:
        worker = Worker(app, told["node"])
        old = worker.require(url)
        queues = worker.queues() or []
        # Those that end with their consumer, such as a broadcast's, have another name each time.
        lasting = [queue["name"] for queue in queues if not queue["auto_delete"]]
        last_words = LastWords(old.pid)
        with _away(worker, [queue["name"] for queue in queues]):
            _finish(worker, old, told["drain"])
            deadline = time.monotonic() + told["timeout"]
            with _explained(last_words):
                _carry_out(told["start"], deadline)
                _come_anew(worker, old, deadline, told["timeout"])
        with _explained(last_words):
            require_queues(worker, lasting, deadline)
            require_execution(app, worker, deadline, told["timeout"])


@contextmanager
def _away(worker: Worker, queues: List[str]) -> Iterator[None]:
    """The worker has left these queues; whatever ends the block early, it is told to consume them again."""
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
            else f"{worker.node} may not consume {listed}: restart it by hand"
        )
        if isinstance(error, Failed):
            raise Failed(f"{error}; {then}") from None
        if isinstance(error, Exception):
            say(then)
        raise


def _end(number: int, _: Any) -> None:
    raise SystemExit(1)


@contextmanager
def _explained(last_words: LastWords) -> Iterator[None]:
    try:
        yield
    except Failed as failed:
        for line in last_words.lines():
            say(line)
        raise Failed(f"BROKEN: {failed}") from None


def _finish(worker: Worker, old: Life, seconds: float) -> None:
    """Wait until the worker has no task left. Raises Failed with those that it has in the end."""
    left = time.monotonic()
    deadline = left + seconds
    shown = -1
    while True:
        tasks = worker.tasks()
        if tasks == [] and time.monotonic() > left + _UNDER_WAY:
            say(f"{worker.node} (process {old.pid}) consumes no queue and has no task left")
            return
        if tasks != [] and time.monotonic() >= deadline:
            if tasks is None:
                raise Failed(f"{worker.node} does not answer any more")
            named = ", ".join(f"{task['name']} {task['id']}" for task in tasks[:_NAMED])
            raise Failed(f"{worker.node} has {len(tasks)} tasks left after {seconds:g} s: {named}")
        if tasks and len(tasks) != shown:
            shown = len(tasks)
            say(f"{worker.node} (process {old.pid}) consumes no queue and has {shown} tasks left")
        still_heard()
        time.sleep(_LOOK_AGAIN)


def _carry_out(line: str, deadline: float) -> None:
    process = subprocess.Popen(["sh", "-c", line], stdin=subprocess.DEVNULL)
    if not wait_for(lambda: process.poll() is not None, deadline):
        process.kill()
        process.wait()
        raise Failed(f"`{line}` did not end in time")
    if process.returncode != 0:
        raise Failed(f"`{line}` exited with {process.returncode}")


def _come_anew(worker: Worker, old: Life, deadline: float, seconds: float) -> None:
    seen = [old]

    def came() -> bool:
        life = worker.life()
        seen[:] = [] if life is None else [life]
        return life is not None and life.follows(old)

    if not wait_for(came, deadline):
        wrong = "is still the process of before" if seen else "does not answer"
        raise Failed(f"{worker.node} {wrong} {seconds:g} s after it was to restart")
    say(f"{worker.node} is process {seen[0].pid} now")


def require_queues(worker: Worker, queues: List[str], deadline: float) -> None:
    """It begins with all of its queues at once."""
    wait_for(lambda: bool(worker.consumed()), deadline)
    consumed = worker.consumed()
    missing = [queue for queue in queues if queue not in consumed]
    if missing or not consumed:
        raise Failed(
            f"{worker.node} does not consume {', '.join(missing) or 'any queue'} as before: "
            "if that is meant, let `celery control cancel_consumer` do so first"
        )
    say(f"{worker.node} consumes {', '.join(consumed)}")


def require_execution(app: Any, worker: Worker, deadline: float, seconds: float) -> None:
    if executed(app, worker, deadline):
        say(f"{worker.node} has executed a task of ours")
    elif worker.busy():
        say(f"{worker.node} executes tasks, all that it can at once: ours had to wait behind them")
    else:
        raise Failed(f"{worker.node} has not executed a task within {seconds:g} s")
