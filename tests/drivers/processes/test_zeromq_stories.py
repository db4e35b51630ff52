"""A restart of workers by releases that die, that are refused, and that take the service down."""

from __future__ import annotations

import os
import signal

from rollout.agents.common.proc import find
from tests.drivers.processes.service import WORKERS, Service

DIES = "import threading; threading.Timer(2.0, os._exit, [3]).start()"
"""Every worker of it ends two seconds after it has begun to work."""
ENDS_ALL = "os.kill(os.getppid(), 9)"


def test_a_release_that_dies_after_two_seconds_is_rolled_back(service: Service) -> None:
    """All its workers beat, the old ones have left, and every new one has beaten again."""
    service.add("1.1")
    service.add("1.2", DIES)
    assert service.deploy("1.1").returncode == 0
    done = service.deploy("1.2", on_failure="rollback")
    assert done.returncode == 1
    assert "BROKEN: the new workers beat, and then ended" in done.stdout
    assert "shop 1.1 done on 1 of 1 node" in done.stdout
    service.wait(lambda: len(service.workers()) == WORKERS, "all workers")
    with service.jobs() as jobs:
        assert jobs.answer(jobs.send("now")) == "1.1"


def test_a_refused_release_is_not_loaded_by_a_recycled_worker(service: Service) -> None:
    """The release before is on the disk again, for a supervisor that loads from there: here it is started
    anew."""
    service.add("1.1")
    service.add("1.2", "raise SystemExit('no dictionary')")
    assert service.deploy("1.1").returncode == 0
    done = service.deploy("1.2")
    assert done.returncode == 1
    assert "old ones keep running; release 1.1 is on the disk again" in done.stdout
    old = service.workers()
    os.kill(min(old), signal.SIGKILL)
    service.wait(lambda: len(service.workers() - {min(old)}) == WORKERS, "the one in its place")
    assert (service.folder / "current").readlink().name == "1.1"
    with service.jobs() as jobs:
        assert jobs.answer(jobs.send("now")) == "1.1"


def test_a_service_that_a_release_took_down_is_started_by_the_rollback(service: Service) -> None:
    """Its first worker ends the supervisor; the rollback refuses nothing."""
    service.add("1.1")
    service.add("1.2", ENDS_ALL)
    assert service.deploy("1.1").returncode == 0
    assert service.deploy("1.2").returncode == 1
    service.process.wait()
    assert find(service.pid) is None
    back = service.rollout("rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    assert "shop does not run there" in back.stdout
    service.wait(lambda: len(service.workers()) == WORKERS, "all workers")
    with service.jobs() as jobs:
        assert jobs.answer(jobs.send("now")) == "1.1"
