"""What an application wrote last, where systemd keeps it. Files are in the tests of deployments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollout.agents.celery.restart import last_words

if TYPE_CHECKING:
    from tests.support.systemd_host import SystemdHost

pytest_plugins = ("tests.support.systemd_host",)

LOOK = """
import subprocess, time
show = ["systemctl", "show", "writer.service", "-p", "MainPID", "--value"]
words = LastWords(int(subprocess.check_output(show)))
subprocess.run(["systemctl", "kill", "--signal=USR1", "writer.service"], check=True)
deadline = time.monotonic() + 20
while "it broke" not in words.lines() and time.monotonic() < deadline:
    time.sleep(0.05)
print(words.lines())
"""


def test_the_journal_of_its_unit(systemd_host: SystemdHost) -> None:
    """A process that systemd started writes to no file: the journal is read from the unit of its group."""
    line = "trap 'echo it broke' USR1; while :; do sleep 0.05; done"
    systemd_host.add_unit("writer.service", f'ExecStart=/bin/sh -c "{line}"\nKillMode=process')
    assert systemd_host.run("systemctl start writer.service").status == 0
    try:
        done = systemd_host.run("python3 -I -", stdin=Path(last_words.__file__).read_text() + LOOK)
        assert "it broke" in done.tail[-1], done.tail
    finally:
        systemd_host.run("systemctl kill --signal=KILL writer.service")
