"""The trial of a release: a real gunicorn that shows what would happen, and of which nothing stays."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
from gunicorn_support import GunicornShop

from rollout.agents.common.talk import Untouched
from tests.support.until import wait

READS = """
def application(environ, start_response):
    read = [environ[name] for name in ("REMOTE_ADDR", "REMOTE_PORT", "gunicorn.socket", "HTTP_HOST")]
    start_response("200 OK", [])
    return [b"2"]
"""
ANSWERS_500 = """
def application(environ, start_response):
    start_response("500 Sick", [])
    return []
"""
HOOK = """
shown = post_worker_init
def post_worker_init(worker):
    shown(worker)
    raise RuntimeError("there is no table words")
"""


def test_good_code_is_not_called_broken_by_our_own_question(newest: GunicornShop) -> None:
    """Code may read whatever a request through gunicorn has: the trial is asked by such a request."""
    newest.start()
    old = newest.workers()
    (newest.folder / "shop.py").write_text(READS)
    status, printed = newest.restart("rolling")
    assert status == 0, printed
    assert "the new code answers by HTTP, so what its worker says is not heeded" in printed
    assert not newest.workers() & old


@pytest.mark.parametrize(
    ("code", "hook", "why"),
    [
        (ANSWERS_500, "", "is not ready, so nothing was signalled: /_status answered 500 Sick"),
        (READS, HOOK, "does not start, so nothing was signalled: RuntimeError: there is no table words"),
    ],
    ids=["page", "hook"],
)
def test_what_would_break_in_a_worker_breaks_on_trial(
    debians: GunicornShop, code: str, hook: str, why: str
) -> None:
    """Its page, and a hook of the configuration: no old worker is touched."""
    debians.start()
    old = debians.workers()
    (debians.folder / "shop.py").write_text(code)
    debians.configure(hook)
    status, printed = debians.restart("reload")
    assert status == Untouched.exit_status
    assert f"BROKEN: the new code {why}" in printed.splitlines()[-1]
    assert debians.workers() == old


def test_ready_bounds_the_trial(newest: GunicornShop) -> None:
    """A release that never becomes ready is told after the time that a worker has, not after the time-out."""
    newest.start()
    old = newest.workers()
    (newest.folder / "shop.py").write_text("import time\ntime.sleep(120)")
    begun = time.monotonic()
    status, printed = newest.restart("rolling", ready="2s")
    assert time.monotonic() - begun < 20
    assert status == Untouched.exit_status
    assert "BROKEN: the new code was not ready on trial after " in printed.splitlines()[-1]
    assert "(`ready`), so nothing was signalled" in printed.splitlines()[-1]
    assert newest.workers() == old


def test_a_time_out_that_is_too_short_for_all_workers(newest: GunicornShop) -> None:
    """One that takes 3 s to start cannot be started three times in what is left: that is refused at once."""
    newest.start()
    old = newest.workers()
    (newest.folder / "shop.py").write_text(f"import time\ntime.sleep(3)\n{READS}")
    status, printed = newest.restart("rolling", timeout=15)
    assert status == Untouched.exit_status
    last = printed.splitlines()[-1]
    assert re.match(
        r"the new code took \d+ s to start on trial, and 3 workers one after the other take", last
    )
    assert "nothing was signalled: set `restart.timeout: " in last
    assert newest.workers() == old


def test_a_killed_agent_leaves_nothing_of_a_trial(newest: GunicornShop) -> None:
    """Not even what has left its session: after kill -9 of all that runs on the node for rollout."""
    newest.start()
    (newest.folder / "shop.py").write_text(
        "import subprocess, time\nsubprocess.Popen(['sleep', '60'], start_new_session=True)\ntime.sleep(120)"
    )
    agent = newest.agent("rolling")
    wait(lambda: "sleep" in _on_trial(newest.folder), "a process that left the trial")
    os.killpg(agent.pid, signal.SIGKILL)
    agent.communicate()
    wait(lambda: _on_trial(newest.folder) == [] and newest.left_behind() == [], "the end of the trial")


def _on_trial(folder: Path) -> list[str]:
    """The programs of a trial in that folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"ROLLOUT_TRIAL=" in (process / "environ").read_bytes() and (process / "cwd").samefile(folder):
                found.append((process / "comm").read_text().strip())
        except OSError:
            continue
    return found
