"""Tasks for Celery machines, sent while something else is done to them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_PROGRAM = """
import json, select, sys
from shop import tasks
sent = [tasks.work.delay(0)]
sent[0].get(timeout=30)
print("begun", flush=True)
while not select.select([sys.stdin], [], [], 0.1)[0]:
    sent.append(tasks.work.delay(len(sent)))
print(json.dumps([task.get(timeout=30) for task in sent]))
"""


@contextmanager
def tasks_sent_from(container: str, environment: Mapping[str, str]) -> Iterator[set[tuple[str, str]]]:
    """About ten a second, from when the first one is done until the block ends; each must be done.

    Afterwards the set has those who did them: release and machine.
    """
    workers: set[tuple[str, str]] = set()
    command = ["docker", "exec", "-i", "-w", "/srv/shop", container, "python3", "-c", _PROGRAM]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}  # it ends when its input does
    with subprocess.Popen(command, env=environment, text=True, **pipes) as sender:
        assert sender.stdout is not None
        assert sender.stdout.readline() == "begun\n"
        yield workers
        results = json.loads(sender.communicate(timeout=60)[0])
    assert [number for number, _, _ in results] == list(range(len(results)))
    workers.update((release, machine) for _, release, machine in results)
