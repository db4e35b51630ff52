"""Which children of a process may be workers, found among real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rollout.agents.children import may_be_workers
from rollout.agents.common import proc
from tests.support.until import wait

PARENT = """
import multiprocessing, sys, time
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    workers = [context.Process(target=time.sleep, args=(60,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    print(*(worker.pid for worker in workers), flush=True)
    sys.stdin.read()
    for worker in workers:
        worker.kill()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_workers_of_multiprocessing(tmp_path: Path, method: str) -> None:
    """However they were started, its own helpers are none: the tracker, and the server that forks them."""
    (tmp_path / "parent.py").write_text(PARENT)
    words = [sys.executable, str(tmp_path / "parent.py"), method]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        workers = {int(word) for word in started.stdout.readline().split()}
        parent = proc.find(started.pid)
        assert parent is not None
        assert len(workers) == 2
        wait(lambda: {one.pid for one in may_be_workers(parent)} == workers, "the workers alone")
