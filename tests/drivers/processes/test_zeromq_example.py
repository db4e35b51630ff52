"""The example service by itself: what it promises without any deployment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.drivers.processes.service import EXAMPLE, WORKERS, Service


def test_a_worker_that_is_killed_is_replaced(service: Service) -> None:
    """Its job runs again elsewhere."""
    file = service.folder / "hangs"
    with service.jobs() as jobs:
        number = jobs.send(f"hang {file}")
        victim = service.pid_in(file)
        os.kill(victim, signal.SIGKILL)
        assert jobs.answer(number) == "1.0"
        service.wait(lambda: len(service.workers() - {victim}) == WORKERS, "another worker")
    assert jobs.lost == []


def test_a_worker_that_stops_beating_is_replaced(tmp_path: Path) -> None:
    """The supervisor ends it, and its job runs again elsewhere."""
    with Service(tmp_path, silence=3.0) as service:
        file = service.folder / "hangs"
        with service.jobs() as jobs:
            number = jobs.send(f"hang {file}")
            victim = service.pid_in(file)
            service.wait(
                lambda: victim not in service.workers() and len(service.workers()) == WORKERS,
                "another worker",
            )
            assert jobs.answer(number) == "1.0"
        assert jobs.lost == []
        assert f"worker {victim} of {tmp_path}/releases/1.0 does not beat any more" in service.log.read_text()


def test_it_ends_when_its_workers_have_finished(service: Service) -> None:
    """SIGTERM to the supervisor leaves no process, no pidfile and no beat."""
    service.process.terminate()
    assert service.process.wait(30) == 0
    assert not service.pidfile.exists()
    assert list(service.beats.iterdir()) == []


def test_a_client_gets_its_answer(service: Service) -> None:
    """The example client, over its own kind of socket, and the work that comes with the example."""
    (service.folder / "releases" / "2.0").mkdir()
    for name in ("work.py", "worker.py"):
        (service.folder / "releases" / "2.0" / name).write_text((EXAMPLE / name).read_text())
    service.switch("2.0")
    subprocess.run(service.restart(), check=True, capture_output=True)
    command = [sys.executable, EXAMPLE / "client.py", f"ipc://{service.folder}/c", "word"]
    assert subprocess.run(command, capture_output=True, text=True, timeout=30).stdout == "drow\n"
