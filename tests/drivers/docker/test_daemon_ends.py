"""The Docker daemon of the tests leaves nothing, however they end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import docker_daemon
from tests.support.needs import missing
from tests.support.until import wait

BRIDGE = "rollout-ends"
BEGIN = f"""
import pathlib, subprocess, sys, time
from tests.support import docker_daemon
folder = pathlib.Path(sys.argv[1])
with docker_daemon.daemon(folder, "--storage-driver=vfs", bridge={BRIDGE!r}) as host:
    def docker(*words, **files):
        subprocess.run(["docker", "--host", host, *words], check=True, stdout=subprocess.DEVNULL, **files)
    tar = subprocess.Popen(["tar", "-C", "/", "-c", "bin/busybox"], stdout=subprocess.PIPE)
    docker("import", "-", "box", stdin=tar.stdout)
    name = "com.docker.network.bridge.name={BRIDGE}"
    docker("network", "create", "--opt", name, "--subnet", "172.29.78.0/24", "ends")
    sleep = f"/bin/busybox sleep 1000; : {{folder.name}}"
    docker("run", "--detach", "--network", "ends", "box", "/bin/busybox", "sh", "-c", sleep)
    print("runs", flush=True)
    time.sleep(60)
"""


def left_of(folder: Path) -> list[str]:
    """Processes, mounts, control groups, interfaces and rules of the filter."""
    shown = subprocess.run(["ps", "-eo", "stat,args"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in shown.splitlines() if folder.name in line and not line.startswith("Z")]
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line]
    control = os.walk("/sys/fs/cgroup")  # which passes over those that end meanwhile
    groups = [path for path, _, _ in control if path.endswith(f"/rollout-{folder.name}")]
    bridges = [path.name for path in Path("/sys/class/net").glob(BRIDGE)]
    filters = subprocess.run(["iptables", "-S", "FORWARD"], capture_output=True, text=True, check=True).stdout
    rules = [rule for rule in filters.splitlines() if BRIDGE in rule]
    return [*lines, *mounts, *groups, *bridges, *rules]


def test_nothing_is_left_when_the_tests_are_killed() -> None:
    """Neither the daemon nor its containers, mounts, networks or control groups."""
    if reason := docker_daemon.why_not({**docker_daemon.PROGRAMS, "busybox": "busybox-static"}):
        missing(f"a Docker daemon: {reason}")
    with tempfile.TemporaryDirectory(prefix="docker-") as name:
        folder = Path(name)
        command = [sys.executable, "-c", BEGIN, name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tests:
            assert tests.stdout is not None
            told = tests.stdout.readline()
            there = left_of(folder)
            tests.kill()
        assert told == "runs\n"
        assert any("busybox sh" in line for line in there)
        assert BRIDGE in there
        wait(lambda: left_of(folder) == [], "its end")
