"""`restart: processes`, against the example service under steady jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import threading

import pytest

from tests.drivers.processes.service import WORKERS, Service


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
    assert set(jobs.answers.values()) == {"1.0", "1.1", "1.2", "1.3"}
    assert {int(file.name) for file in service.beats.iterdir()} == service.workers()


def test_a_worker_that_is_killed_in_mid_job(service: Service) -> None:
    """While it finishes for a deployment it is killed: its job runs again elsewhere, and all ends well."""
    service.add("1.1")
    file = service.folder / "hangs"

    def kill() -> None:
        service.wait(lambda: "are ready" in service.log.read_text(), "the new workers")
        os.kill(victim, signal.SIGKILL)

    with service.jobs() as jobs:
        number = jobs.send(f"hang {file}")
        victim = service.pid_in(file)
        killer = threading.Thread(target=kill)
        killer.start()
        done = service.deploy("1.1")
        killer.join()
        jobs.answer(number)
    assert done.returncode == 0, done.stdout + done.stderr
    assert jobs.lost == []
    assert victim not in service.workers()
    assert len(service.workers()) == WORKERS


def test_a_worker_that_does_not_finish_in_time_is_ended(service: Service) -> None:
    """After `drain` the driver ends it, and its job has an answer of another worker."""
    service.add("1.1")
    file = service.folder / "hangs"
    with service.jobs() as jobs:
        number = jobs.send(f"hang {file}")
        victim = service.pid_in(file)
        done = service.deploy("1.1", drain="500ms")
        jobs.answer(number)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"worker {victim} did not finish within 0.5 s, so it was killed" in done.stdout
    assert jobs.lost == []
    assert victim not in service.workers()


BROKEN = {
    "it does not load": ("raise SystemExit('no dictionary')", "ended before all of them were ready"),
    "it never gets ready": ("time.sleep(60)", "new workers did not all beat within 1 s"),
    "one of its workers ends": (
        "if once('{file}'): time.sleep(0.2); raise SystemExit('no dictionary')",
        "ended before all of them were ready",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_release_changes_nothing(service: Service, how: str) -> None:
    """Its workers are ended, the old ones keep running, and their output is shown."""
    code, message = BROKEN[how]
    service.add("1.1", code.format(file=service.folder / "once"))
    old = service.workers()
    with service.jobs() as jobs:
        service.broker.counts.clear()
        done = service.deploy("1.1", ready="1s" if "sleep(60)" in code else "20s")
        told = done.stdout + done.stderr
        assert done.returncode == 1, told
        assert "BROKEN: the " in told
        assert message in told, told + service.log.read_text()
        assert f"; the {WORKERS} old ones keep running" in told
        assert "/releases/1.1 ended before all were ready: given up" in told, service.log.read_text()
        assert "'no dictionary'" not in code or "no dictionary" in told
        assert service.workers() == old
        assert min(service.broker.counts) == WORKERS
    assert jobs.lost == []


def test_nothing_depends_on_the_driver(service: Service) -> None:
    """Killed right after its signal, it leaves a restart that goes on; another one right then works, too."""
    old = service.workers()
    with service.jobs() as jobs:
        for release in ("1.1", "1.2"):
            service.add(release)
            service.switch(release)
            driver = subprocess.Popen(
                service.restart(), stdout=subprocess.PIPE, text=True, start_new_session=True
            )
            assert driver.stdout is not None
            assert driver.stdout.readline().startswith(f"asked supervisor {service.pid} for new workers")
            os.killpg(driver.pid, signal.SIGKILL)
            driver.communicate()
        service.wait(
            lambda: not service.workers() & old and len(service.workers()) == WORKERS, "the new workers"
        )
        service.add("1.3")
        service.switch("1.3")
        for _ in range(2):
            subprocess.run(service.restart(), check=True, capture_output=True)
            assert jobs.answer(jobs.send("now")) == "1.3"
    assert jobs.lost == []
