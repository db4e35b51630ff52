"""A Docker daemon to test with: the one that runs, or one of our own where we may start it.

Its images are kept between runs, in the user's cache; all else of it ends with the test.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BRIDGE = "rollout-lab"
SUBNET = "172.29.78.1/24"
_START = 30.0


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rollout" / "docker"


def runs() -> bool:
    """Whether the daemon that `docker` would ask answers."""
    return shutil.which("docker") is not None and _answers(dict(os.environ))


def why_not() -> str | None:
    """Why no daemon can be had here."""
    if runs():
        return None
    if os.geteuid() != 0:
        return "no Docker daemon runs, and only root may start one"
    missing = [name for name in ("docker", "dockerd", "iptables", "ip") if shutil.which(name) is None]
    return f"needs {' '.join(missing)}" if missing else None


@contextmanager
def daemon() -> Iterator[dict[str, str]]:
    """What must be in the environment of `docker` and of compose."""
    if runs():
        yield {}
        return
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    socket = folder / "docker.sock"
    told = {"DOCKER_HOST": f"unix://{socket}"}
    # A bridge of its own: one named docker0 belongs to whatever daemon is there otherwise.
    _ip("link", "add", BRIDGE, "type", "bridge")
    try:
        _ip("addr", "add", SUBNET, "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        with (folder / "log").open("wb") as log, _running(folder, socket, log.fileno()) as process:
            deadline = time.monotonic() + _START
            while not _answers({**os.environ, **told}):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"dockerd did not start:\n{(folder / 'log').read_text()[-2000:]}")
                time.sleep(0.1)
            yield told
    finally:
        _ip("link", "del", BRIDGE)


@contextmanager
def _running(folder: Path, socket: Path, log: int) -> Iterator[subprocess.Popen[bytes]]:
    words = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"]
    words += ["--host", f"unix://{socket}", "--bridge", BRIDGE]
    (folder / "pid").unlink(missing_ok=True)
    # It dies with us: a daemon that outlived its test would hold the cache.
    command = ["setpriv", "--pdeathsig=TERM", "dockerd", *map(str, words)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(environment: dict[str, str]) -> bool:
    asked = subprocess.run(["docker", "info"], env=environment, capture_output=True, timeout=20)
    return asked.returncode == 0


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=False, capture_output=True)
