"""A restart by a signal, of releases that die, that are refused, and that take the application down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from signal_shop import FORKING, Start, named

from rollout.agents.common.proc import children, find, lives
from tests.support.command import rollout, write_inventory
from tests.support.until import wait


def inventory(
    pidfile: Path, number: str, proof: str, *, start: str | None = None, on_failure: str = "halt"
) -> Path:
    restart = {"signal": {"pidfile": str(pidfile), "signal": number, "proof": proof}, "timeout": "8s"}
    release = {"command": f'printf %s "$ROLLOUT_RELEASE" > {pidfile.with_suffix(".release")}'}
    sections = {
        "release": release,
        "restart": {**restart, **({"start": start} if start else {})},
        "strategy": {"on_failure": on_failure},
    }
    return write_inventory(pidfile.with_suffix(".yml"), sections)


def deploy(release: str, path: Path) -> subprocess.CompletedProcess[str]:
    return rollout("deploy", "--release", release, inventory=path)


def test_a_release_that_dies_after_two_seconds_is_rolled_back(start: Start, pidfile: Path) -> None:
    """Its children are new, and three of them live whenever somebody looks; the release before stays."""
    parent = start("1")
    path = inventory(pidfile, "HUP", "new-children", on_failure="rollback")
    assert deploy("2", path).returncode == 0
    done = deploy("weak", path)
    assert done.returncode == 1
    assert "new children that have lived for 3 s" in done.stdout
    assert "shop 2 done on 1 of 1 node" in done.stdout
    assert pidfile.with_suffix(".release").read_text() == "2"
    assert len(children(parent)) == 3


def test_a_refused_release_is_not_loaded_by_a_recycled_child(start: Start, pidfile: Path) -> None:
    """The parent keeps its children: the release before is on the disk again when one of them is replaced."""
    parent = start("1")
    path = inventory(pidfile, "HUP", "new-children")
    assert deploy("2", path).returncode == 0
    old = children(parent)
    done = deploy("unfit", path)
    assert done.returncode == 1
    assert "and 3 of its 3 old ones; release 2 is on the disk again" in done.stdout
    assert children(parent) == old
    os.kill(old[0].pid, signal.SIGTERM)
    wait(lambda: len(children(parent)) == 3 and old[0] not in children(parent), "another child")
    assert lives(parent)


def test_an_application_that_a_release_took_down_is_started_by_the_rollback(
    start: Start, pidfile: Path
) -> None:
    """It took the old process's place and died two seconds later; the rollback refuses nothing."""
    start("1")
    line = f"setsid {sys.executable} {FORKING} {pidfile} >/dev/null 2>&1 &"
    path = inventory(pidfile, "USR2", "new-pid", start=line)
    assert deploy("2", path).returncode == 0
    done = deploy("frail", path)
    assert done.returncode == 1
    assert "took the place of" in done.stdout
    assert find(int(pidfile.read_text())) is None
    back = rollout("rollback", inventory=path)
    assert back.returncode == 0, back.stdout + back.stderr
    assert "shop does not run there" in back.stdout
    assert len(children(named(pidfile))) == 3
