"""A host with a real systemd, made out of namespaces on this machine's own file system.

Nothing of it reaches this machine: its units, its journal, its devices and its process numbers are its own,
its root file system is read-only, and it dies with the process that started it. It shares the network.
Needs root, and the packages systemd, dbus, sudo and util-linux.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import pytest

from rollout.domain import Completed
from tests.support import debian
from tests.support.needs import missing
from tests.support.until import wait

BOOT = Path(__file__).with_suffix(".sh")
PROGRAMS = {
    "/lib/systemd/systemd": "systemd",
    "/usr/bin/dbus-daemon": "dbus",
    "/usr/bin/sudo": "sudo",
    "/usr/bin/nsenter": "util-linux",
}
NAMESPACES = ("--mount", "--pid", "--ipc", "--uts")


class SystemdHost:
    """Runs shell lines as a user of the host: `root`, `www-data` (may sudo) or `nobody` (may not)."""

    def __init__(self, pid: int) -> None:
        self._enter = ["nsenter", f"--target={pid}", *NAMESPACES, "--cgroup", "--wd=/", "--"]

    def run(self, line: str, *, user: str = "root", stdin: str = "", timeout: float = 30) -> Completed:
        """Run a line of `sh`; its output is both streams'."""
        become = ["setpriv", f"--reuid={user}", f"--regid={user_group(user)}", "--clear-groups"]
        done = subprocess.run(
            [*self._enter, *become, "sh", "-c", line],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        return Completed(done.returncode, tuple(done.stdout.splitlines()))

    def add_unit(self, name: str, settings: str) -> None:
        """Install a unit: `settings` are those of its kind, `[Service]` or `[Socket]`."""
        path, section = f"/etc/systemd/system/{name}", name.rpartition(".")[2].capitalize()
        written = self.run(f"cat > {path} && systemctl daemon-reload", stdin=f"[{section}]\n{settings}\n")
        assert written.status == 0, written.tail


def user_group(user: str) -> str:
    return {"nobody": "nogroup"}.get(user, user)


def why_not() -> str | None:
    """Why this machine cannot carry such a host."""
    if os.geteuid() != 0:
        return "needs root"
    missing = sorted({package for program, package in PROGRAMS.items() if not Path(program).exists()})
    return f"needs the packages {' '.join(missing)}" if missing else None


@contextmanager
def running(over: str = "") -> Iterator[SystemdHost]:
    """A booted host; nothing is left of it afterwards. The files in the folder `over` are seen over /usr."""
    group = f"rollout-test-{os.getpid()}-{uuid4().hex[:8]}"
    apart = ["unshare", *NAMESPACES, "--propagation=private", "--fork", "--kill-child"]
    unshare = subprocess.Popen(
        ["setpriv", "--pdeathsig=KILL", *apart, "sh", str(BOOT)],
        env={"PATH": os.environ["PATH"], "CGROUP": group, "OVER": over},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield booted(unshare)
    finally:
        unshare.kill()  # and, by --kill-child, all that runs in its namespaces
        unshare.communicate()
        remove_control_group(group)


def booted(unshare: subprocess.Popen[str]) -> SystemdHost:
    """Wait until the first process in the namespaces is a systemd that has started all it should."""
    children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")

    def host() -> SystemdHost | None:
        if unshare.poll() is not None:
            assert unshare.stdout is not None
            pytest.fail(f"systemd did not start: {unshare.stdout.read()}")
        for pid in children.read_text().split():
            if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                return SystemdHost(int(pid))
        return None

    found = wait(host, "systemd to start")
    wait(lambda: found.run("systemctl is-system-running").tail == ("running",), "systemd to be up")
    return found


def remove_control_group(group: str) -> None:
    """Control groups outlive their processes: remove the whole tree, deepest first, once it is empty."""
    tree = f"/sys/fs/cgroup/{group}"
    line = (
        "mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit"
        f"; [ ! -d {tree} ] || find {tree} -depth -type d -exec rmdir {{}} +"
    )
    enter = ["unshare", "--mount", "--propagation=private", "sh", "-c", line]
    wait(lambda: subprocess.run(enter, capture_output=True).returncode == 0, f"{tree} to be empty")


@pytest.fixture(scope="session")
def systemd_host() -> Iterator[SystemdHost]:
    """A host with a real systemd. A machine that cannot carry one skips the test; CI must be able to."""
    if reason := why_not():
        unavailable(reason)
    with running() as host:
        yield host


@pytest.fixture(scope="session")
def newer_systemd_host() -> Iterator[SystemdHost]:
    """The same with Debian trixie's systemd."""
    if reason := why_not():
        unavailable(reason)
    try:
        over = debian.unpacked("systemd", "trixie") / "usr"
    except debian.Unavailable as reason:
        unavailable(str(reason))
    with running(str(over)) as host:
        yield host


def unavailable(reason: str) -> NoReturn:
    missing(f"a host with systemd: {reason}")
