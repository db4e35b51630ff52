"""Who holds a lock, and whether that process still runs: by what the kernel knows, never by names alone."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys

import pytest

from rollout.cli.process import has_ended, holder

ME = holder("deploy 1.4.2")
pytestmark = pytest.mark.skipif(not ME.boot, reason="the kernel has no boot id here")


def test_a_process_that_runs_is_not_gone() -> None:
    """Whatever its machine is called."""
    assert (ME.pid, ME.purpose) == (os.getpid(), "deploy 1.4.2")
    assert ME.started
    assert not has_ended(ME)
    assert not has_ended(dataclasses.replace(ME, host="renamed"))


def test_one_that_was_killed_has_ended() -> None:
    """Also while its parent has not noticed, and when its number is another process's by now."""
    code = "from rollout.cli.process import holder; print(holder('').started, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        its = dataclasses.replace(ME, pid=child.pid, started=int(child.stdout.readline()))
        assert not has_ended(its)
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert has_ended(its)
    assert has_ended(dataclasses.replace(ME, started=ME.started - 1))


@pytest.mark.parametrize(
    "elsewhere",
    [{"boot": "another"}, {"namespace": "pid:[1]"}, {"boot": ""}],
    ids=["boot", "container", "none"],
)
def test_one_that_cannot_be_seen_counts_as_alive(elsewhere: dict[str, str]) -> None:
    """A process of a container with the same host name, of another machine, or of a system without /proc."""
    assert not has_ended(dataclasses.replace(ME, started=1, **elsewhere))
