"""`restart: signal`, against a real parent and its children."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from signal_shop import FORKING, Start, named

from rollout.agents.common.proc import children, find
from rollout.inventory.restart import Signal
from rollout.restart.signal import plan_restart
from tests.support.command import rollout, write_inventory
from tests.support.until import wait
from tests.support.users import need_root

ASGI = """
import os
open(f"{os.getpid()}.serves", "w").close()
async def application(scope, receive, send):
    raise NotImplementedError
"""


def restart(pidfile: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    more = {"timeout": settings.pop("timeout", "30s"), "start": settings.pop("start", None)}
    chosen = {"pidfile": str(pidfile), "proof": "new-children", **settings}
    sections = {"restart": {"signal": chosen, **{key: value for key, value in more.items() if value}}}
    return rollout("deploy", inventory=write_inventory(pidfile.with_suffix(".yml"), sections))


def test_all_children_are_new(start: Start, pidfile: Path) -> None:
    """The driver returns only when as many new children live and none of the old ones does."""
    parent = start()
    old = children(parent)
    done = restart(pidfile)
    assert done.returncode == 0, done.stdout + done.stderr
    new = children(parent)
    assert len(new) == len(old) == 3
    assert not set(new) & set(old)
    assert "3 new children, and none of its 3 old ones" in done.stdout


def test_a_helper_that_stays_is_no_worker(start: Start, pidfile: Path) -> None:
    """A child that executes another program is not waited for, and is named."""
    parent = start("helped")
    helper = children(parent)[0]
    done = restart(pidfile, timeout="20s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 new children, and none of its 3 old ones" in done.stdout
    assert f"process {helper.pid} (sleep 120) is no worker, and stays" in done.stdout
    assert helper in children(parent)


def test_an_old_worker_that_stays_is_named(start: Start, pidfile: Path) -> None:
    """A child that is like those that were replaced runs old code: the restart has not come to its end."""
    parent = start("lame")
    lame = children(parent)[0]
    done = restart(pidfile, timeout="7s")
    assert done.returncode == 1
    assert f"and 1 of its 3 old ones (process {lame.pid} (" in done.stdout


def test_the_workers_of_uvicorn(pidfile: Path, tmp_path: Path) -> None:
    """They come from multiprocessing, whose tracker is a child, too, and stays."""
    (tmp_path / "shop.py").write_text(ASGI)
    words = [sys.executable, "-m", "uvicorn", "--workers", "2", "--port", "0", "shop:application"]
    uvicorn = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        pidfile.write_text(str(uvicorn.pid))
        parent = named(pidfile)
        wait(lambda: len(list(tmp_path.glob("*.serves"))) == 2, "two workers")
        old = set(children(parent))
        assert len(old) == 3
        done = restart(pidfile, timeout="30s")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "2 new children, and none of its 2 old ones" in done.stdout
        assert len(old & set(children(parent))) == 1
    finally:
        uvicorn.terminate()
        uvicorn.wait()


def test_another_process_takes_over(start: Start, pidfile: Path) -> None:
    """With `new-pid` the pidfile must name another living process, and the old one must be gone."""
    old = start()
    done = restart(pidfile, signal="USR2", proof="new-pid")
    assert done.returncode == 0, done.stdout + done.stderr
    assert find(old.pid) != old
    assert named(pidfile) != old


@pytest.mark.parametrize("left", ["nothing", "a stale pidfile"])
def test_what_does_not_run_is_started(pidfile: Path, start: Start, left: str) -> None:
    """That it does not run is said beforehand, with the line that starts it, and is no refusal."""
    if left != "nothing":
        stale(pidfile)
    line = f"setsid {sys.executable} {FORKING} {pidfile} >/dev/null 2>&1 &"  # so that its group can be ended
    done = restart(pidfile, start=line)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"it is started by `{line}`" in done.stdout
    assert len(children(named(pidfile))) == 3


def test_a_process_that_only_ends_is_no_restart(start: Start, pidfile: Path) -> None:
    """After TERM no other process has taken its place, and that is said."""
    start()
    done = restart(pidfile, signal="TERM", proof="new-pid", timeout="3s")
    assert done.returncode == 1
    assert "ended, and" in done.stdout + done.stderr


def stale(pidfile: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    pidfile.write_text(str(ended.pid))


def of_another_program(pidfile: Path) -> None:
    pidfile.write_text(str(os.getpid()))
    os.utime(pidfile, (1, 1))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no pidfile": (lambda pidfile: None, "there is no pidfile"),
    "a stale one": (stale, "is stale: no process"),
    "no number": (lambda pidfile: pidfile.write_text("shop\n"), "holds no process id"),
    "another program's": (of_another_program, "another program may have its process id by now"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_is_refused_before_anything_is_signalled(pidfile: Path, what: str) -> None:
    """Each is refused with its reason; SIGTERM to the number in the pidfile would end this test."""
    prepare, message = REFUSED[what]
    prepare(pidfile)
    done = restart(pidfile, signal="TERM")
    assert done.returncode == 3, done.stdout + done.stderr
    assert message in done.stderr


def test_a_process_without_children_has_none_to_replace(pidfile: Path) -> None:
    """`new-children` needs children to tell from others."""
    alone = subprocess.Popen(["sleep", "60"])
    try:
        pidfile.write_text(str(alone.pid))
        done = restart(pidfile)
        assert (done.returncode, alone.poll()) == (3, None)
        assert "has no children that could be replaced" in done.stderr
    finally:
        alone.kill()
        alone.wait()


def test_a_process_of_somebody_else_may_not_be_signalled(pidfile: Path) -> None:
    """Who may not signal the process is told whose it is, and nothing is sent."""
    need_root()
    theirs = subprocess.Popen(["sleep", "60"])
    try:
        pidfile.write_text(str(theirs.pid))
        for folder in pidfile.parents:
            if folder.owner() == "root" and folder.name.startswith(("pytest-", "popen-", "test_")):
                folder.chmod(0o755)
        settings = Signal(pidfile=str(pidfile), proof="new-pid", signal="TERM")
        line = plan_restart(settings, 5, str).precheck
        assert line is not None
        become = ["setpriv", "--reuid=nobody", "--clear-groups", "sh", "-c", line]
        done = subprocess.run(become, capture_output=True, text=True)
        assert (done.returncode, theirs.poll()) == (1, None)
        assert f"process {theirs.pid} runs as root, and nobody may not signal it" in done.stdout
    finally:
        theirs.kill()
        theirs.wait()
