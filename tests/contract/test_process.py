"""Whether a process that the journal or the lock names may still run."""

from __future__ import annotations

import os
import socket
import subprocess

from rollout.adapters.process import may_run


def test_a_process_of_this_machine() -> None:
    """It may run until it has ended, whoever it belongs to."""
    here = socket.gethostname()
    process = subprocess.Popen(["sleep", "60"])
    assert may_run(here, process.pid)
    process.kill()
    process.wait()
    assert not may_run(here, process.pid)
    assert may_run(here, 1)


def test_a_process_of_another_machine() -> None:
    """Nobody can look there, so it counts as running."""
    process = subprocess.Popen(["true"])
    process.wait()
    assert may_run("elsewhere", process.pid)
    assert may_run("elsewhere", os.getpid())
