"""Which children of a supervisor are workers by their beats."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rollout.agents.common import proc
from rollout.agents.processes import Workers
from tests.support.until import wait

SUPERVISOR = """
import subprocess, sys
def start():
    started = [subprocess.Popen(["sleep", seconds]) for seconds in ("100", "100s")]
    print(*(child.pid for child in started), flush=True)
    return started
children = start()
for _ in sys.stdin:
    children += start()
for child in children:
    child.kill()
"""


def test_a_helper_that_comes_anew_is_no_worker(tmp_path: Path) -> None:
    """It is like one that never beats: so it is not waited for, nor killed because it does not beat."""
    words = [sys.executable, "-c", SUPERVISOR]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdin is not None
        worker, _ = started.stdout.readline().split()
        (tmp_path / worker).touch()
        supervisor = proc.find(started.pid)
        assert supervisor is not None
        workers = Workers(supervisor, str(tmp_path))
        assert [one.pid for one in workers.old()] == [int(worker)]
        print(file=started.stdin, flush=True)
        another, helper = map(int, started.stdout.readline().split())
        wait(lambda: proc.command_line(proc.Process(helper, 0)) == ["sleep", "100s"], "the helper's program")
        wait(lambda: [one.pid for one in workers.new()] == [another], "the new worker alone")
