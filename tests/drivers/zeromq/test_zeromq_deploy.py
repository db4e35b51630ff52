"""`restart: processes`, against the example service under steady jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from rollout.inventory.drivers import Processes
from rollout.restart.processes import restarting
from tests.drivers.zeromq.service import WORKERS, Service


def test_reload_after_reload_loses_no_job(service: Service) -> None:
    """Every job is answered, all workers are new each time, and there are never fewer than before."""
    with service.jobs() as jobs:
        service.broker.counts.clear()
        for release in ("1.1", "1.2", "1.3"):
            old = service.workers()
            service.add(release)
            done = service.deploy(release)
            assert done.returncode == 0, done.stdout + done.stderr
            assert f"{WORKERS} new workers beat, and none of the {WORKERS} old ones is left" in done.stdout
            assert len(service.workers()) == WORKERS
            assert not service.workers() & old
            assert jobs.answer(jobs.send("now")) == release
    assert jobs.lost == []
    assert min(service.broker.counts) == WORKERS
    print(f"0 of {len(jobs.sent)} jobs lost, never fewer than {WORKERS} of {WORKERS} workers")
    assert set(jobs.answers.values()) == {"1.0", "1.1", "1.2", "1.3"}
    assert {int(file.name) for file in service.beats.iterdir()} == service.workers()


def test_a_worker_that_is_killed_in_mid_job(service: Service) -> None:
    """Its job runs again in a worker of the new release, and the deployment goes well."""
    service.add("1.1")
    file = service.folder / "hangs"
    with service.jobs() as jobs:
        number = jobs.send(f"hang {file}")
        victim = service.pid_in(file)

        def kill() -> None:
            service.until(lambda: service.workers() > {victim} and "are ready" in service.log.read_text(), "")
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        done = service.deploy("1.1")
        killer.join()
        assert done.returncode == 0, done.stdout + done.stderr
        jobs.answer(number)
    assert jobs.lost == []
    assert victim not in service.workers()
    assert len(service.workers()) == WORKERS
