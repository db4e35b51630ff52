"""A Docker daemon to test with, in process numbers and mounts of its own, so that all of it ends with it.

A keeper starts it, and ends it with all that it left behind, however whoever wanted it has ended: that is
this file, run as a program, until its standard input ends.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "ip": "iproute2",
    "iptables": "iptables",
    "unshare": "util-linux",
}
APART = ("unshare", "--mount", "--pid", "--propagation=private", "--fork", "--kill-child", "--mount-proc")
_ROOT = Path(__file__).parents[2]
_START = 60.0
"""Seconds that a daemon may take until it answers."""


def why_not(programs: dict[str, str] = PROGRAMS) -> str | None:
    """Why this machine cannot carry a daemon of ours: `programs` are needed, from those packages."""
    if os.geteuid() != 0:
        return "needs root"
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = {package for program, package in programs.items() if not shutil.which(program, path=path)}
    return f"needs the packages {' '.join(sorted(missing))}" if missing else None


def answers(host: str | None = None) -> bool:
    """Whether a daemon does: the one at `host`, or else the one that `docker` would ask."""
    at = ["--host", host] if host else []
    return subprocess.run(["docker", *at, "version"], capture_output=True, timeout=20).returncode == 0


@contextmanager
def daemon(
    folder: Path, *options: str, bridge: str | None = None, holds: Sequence[int] = ()
) -> Iterator[str]:
    """Where it listens: what DOCKER_HOST is to be. Its data stays in `folder`.

    It may have one network, whose bridge is named `bridge`. The files `holds` stay open until it has ended.
    """
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.support.docker_daemon", str(folder), bridge or "", *options],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=holds,
        start_new_session=True,  # Ctrl-C is for whoever started the tests
    )
    assert keeper.stdin
    assert keeper.stdout
    try:
        told = keeper.stdout.readline().strip()
        assert told.startswith("unix://"), f"dockerd did not start:\n{(folder / 'log').read_text()[-3000:]}"
        yield told
    finally:
        keeper.stdin.close()
        keeper.wait()
        keeper.stdout.close()


def _keep(folder: Path, bridge: str, options: Sequence[str]) -> None:
    """Tell on standard output where the daemon listens, once it does, and end it when standard input ends."""
    host, group = f"unix://{folder}/socket", f"rollout-{folder.name}"
    paths = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
    command = [
        *(*APART, "dockerd", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none"),
        *(f"--{option}={folder / path}" for option, path in paths.items()),
        *(f"--host={host}", f"--cgroup-parent=/{group}", *options),
    ]
    # Numbers of processes that mean others now.
    (folder / "pid").unlink(missing_ok=True)
    shutil.rmtree(folder / "exec", ignore_errors=True)
    # What goes over a bridge may have to pass the machine's filter, and another daemon may have closed that.
    passes = ("FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        if bridge:
            _try("ip", "link", "delete", bridge)
            _close(passes)  # of a keeper that was killed itself
            _try("iptables", "--wait", "-I", *passes)
        deadline = time.monotonic() + _START
        while not answers(host):
            if process.poll() is not None or time.monotonic() > deadline:
                return
            time.sleep(0.05)
        sys.stdout.write(f"{host}\n")
        sys.stdout.flush()
        select.select([sys.stdin, os.pidfd_open(process.pid)], [], [])
    finally:
        process.kill()  # and, by --kill-child, all that runs in its namespaces
        process.wait()
        if bridge:
            _close(passes)
            # Those of machines that were killed may stay long after them.
            for port in Path(f"/sys/class/net/{bridge}/brif").glob("*"):
                _try("ip", "link", "delete", port.name)
            _try("ip", "link", "delete", bridge)
        for parent in Path("/sys/fs/cgroup").glob(f"**/{group}"):
            _try("find", str(parent), "-depth", "-type", "d", "-exec", "rmdir", "{}", ";")


def _close(passes: Sequence[str]) -> None:
    while _try("iptables", "--wait", "-D", *passes):
        pass


def _try(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    _keep(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
