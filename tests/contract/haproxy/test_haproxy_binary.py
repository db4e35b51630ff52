"""The HAProxy versions that tests run against behave like installed ones."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.until import wait

pytestmark = pytest.mark.every_haproxy


def ask(path: Path, command: str) -> str:
    """What the master socket answers; nothing while it is not there or the master runs itself again."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
            connection.sendall(f"{command}\n".encode())
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return ""


def test_a_master_reloads(haproxy_binary: Path, tmp_path: Path) -> None:
    """A master told to reload runs itself again and has a new worker of the same version."""
    config, master = tmp_path / "haproxy.cfg", tmp_path / "master.sock"
    config.write_text(
        "defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n"
        f"frontend f\n  bind unix@{tmp_path}/f.sock\n"
    )
    version = subprocess.run([haproxy_binary, "-v"], capture_output=True, text=True).stdout.split()[2]

    def worker() -> str:
        """The running worker's process number, if the master runs as it should."""
        info = dict(line.split(": ", 1) for line in ask(master, "@1 show info").splitlines() if ": " in line)
        return info.get("Pid", "") if info.get("Version") == version else ""

    process = subprocess.Popen(
        [haproxy_binary, "-W", "-S", master, "-f", config],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait(lambda: worker() != "", "a worker")
        first = worker()
        process.send_signal(signal.SIGUSR2)
        wait(lambda: worker() not in ("", first), "a new worker")
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(timeout=20)
