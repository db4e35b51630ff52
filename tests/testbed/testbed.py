"""The testbed, as its tests use it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import docker_daemon, prepared

ROOT = Path(__file__).parents[2]
INVENTORY = ROOT / "inventories" / "testbed.yml"
PROJECT = "rollout-test"
EXTRA = f"{PROJECT}-extra"
"""The label of machines that are no part of docker/compose.yml."""
BRIDGE = "rollout-testbed"
"""Of the testbed's network: as in docker/compose.yml."""
ADDRESSES = {f"web{number}": f"172.29.77.{10 + number}" for number in range(1, 7)}
FRONTENDS = (("127.0.0.1", 8081), ("127.0.0.1", 8082))
_PUBLISHED = (("127.0.0.1", 2222), *FRONTENDS)

HELD = "web2"
_HOLD = "while [ -e /run/hold ]; do sleep 0.1; done"
_DROP_IN = "/run/systemd/system/shop.service.d/held.conf"
_UNIT = "mkdir -p $(dirname {file}) && echo '[Service]\n{line}' >{file} && systemctl daemon-reload"
_HOLDS = {
    "release": f"sed -i '2s#.*#{_HOLD}#' /srv/shop/bin/install",
    "restart": _UNIT.format(file=_DROP_IN, line=f'ExecStartPre=/bin/sh -c "{_HOLD}"'),
    "verify": _UNIT.format(file=_DROP_IN, line="ExecStartPost=/bin/touch /run/shop/draining"),
}
"""What is run on the node; the second line of bin/install is a comment."""


def compose() -> list[str]:
    """`docker compose`, or the older docker-compose."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    return ["docker", "compose"] if plugin else ["docker-compose"]


def why_not() -> str | None:
    """Why the testbed cannot run on this machine."""
    if shutil.which("docker") and docker_daemon.answers():
        reason = None
    else:
        reason = docker_daemon.why_not({**docker_daemon.PROGRAMS, "debootstrap": "debootstrap"})
    if reason is None and compose() == ["docker-compose"] and shutil.which("docker-compose") is None:
        return "needs docker compose or docker-compose"
    return reason


def taken() -> str | None:
    """Which of the addresses that the testbed publishes is not free."""
    for host, port in _PUBLISHED:
        try:
            socket.create_server((host, port)).close()
        except OSError:
            return f"{host}:{port} is taken: if it is the testbed that is up, make testbed-down"
    return None


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rollout" / "docker"


@contextmanager
def docker_host() -> Iterator[str | None]:
    """Where a Docker daemon listens; None is the one that runs here anyway. One of ours keeps its images."""
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if docker_daemon.answers():
            yield None
            return
        with docker_daemon.daemon(folder, bridge=BRIDGE, holds=[lock.fileno()]) as host:
            yield host


class Testbed:
    __test__ = False  # pytest takes it for a class of tests, by its name
    """`host` is where Docker's daemon listens; None is its usual place. `home` is that of who deploys."""

    def __init__(self, host: str | None, home: Path) -> None:
        (home / ".ssh").mkdir()
        (home / ".ssh" / "config").write_text("ConnectTimeout 5\n")  # a machine that is gone is gone
        self._home = str(home)
        self.environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
        if host:
            self.environment["DOCKER_HOST"] = host
        self._compose = [*compose(), "-p", PROJECT, "-f", str(ROOT / "docker" / "compose.yml")]

    def up(self) -> None:
        """Nothing may be left of another one."""
        self._run([str(ROOT / "docker" / "base-image")], timeout=600)
        self._run([*self._compose, "build", "keys", "lb1", "lb2"], timeout=900)
        self._run([*self._compose, "up", "-d"], timeout=120)
        ours, shown = f"label=com.docker.compose.project={PROJECT}", '{{.Label "com.docker.compose.service"}}'
        listed = self.docker("ps", "--filter", ours, "--format", shown + " {{.ID}}").splitlines()
        self._containers = dict(line.split() for line in listed)

    def down(self) -> None:
        self.remove_extra()
        self._run([*self._compose, "down", "--volumes", "--timeout", "1"], timeout=120)

    def remove_extra(self) -> None:
        if extra := self.docker("ps", "--all", "--quiet", "--filter", f"label={EXTRA}").split():
            self.docker("rm", "--force", "--volumes", *extra)

    def build(self, target: str) -> str:
        """The image of a stage of docker/Dockerfile that is no part of docker/compose.yml."""
        image, file = f"rollout-testbed/{target}", str(ROOT / "docker" / "Dockerfile")
        words = ("--quiet", "--network", "host", "--target", target, "--tag", image, "--file", file)
        self._run(["docker", "build", *words, str(ROOT)], timeout=600)
        return image

    def docker(self, *words: str) -> str:
        return self._run(["docker", *words], timeout=60)

    def container(self, name: str) -> str:
        return self._containers[name]

    def on(self, name: str, line: str) -> str:
        """Run a shell line as root on a machine of the testbed, beside its sshd."""
        return self.docker("exec", self.container(name), "sh", "-c", line)

    @contextmanager
    def held(self, step: str) -> Iterator[None]:
        """What is deployed to web2 stays in that step until the block ends: release, restart or verify."""
        self.on(HELD, f"touch /run/hold && {_HOLDS[step]}")
        try:
            yield
        finally:
            self.on(HELD, f"rm -f /run/hold /run/shop/draining {_DROP_IN}")
            self.on(HELD, "sed -i '2s/.*/#/' /srv/shop/bin/install; systemctl daemon-reload")

    @contextmanager
    def cut_off(self, name: str) -> Iterator[None]:
        """A machine that lost its network."""
        container = self.container(name)
        self.docker("network", "disconnect", f"{PROJECT}_testbed", container)
        try:
            yield
        finally:
            self.docker("network", "connect", "--ip", ADDRESSES[name], f"{PROJECT}_testbed", container)

    def rollout(
        self, *arguments: str, inventory: Path = INVENTORY, timeout: float = 150
    ) -> subprocess.CompletedProcess[str]:
        """`rollout`, run to its end as in CI."""
        words = [*arguments, "-i", str(inventory), "--yes"]
        environment = {**os.environ, "HOME": self._home}
        return prepared.run(words, folder=ROOT, environment=environment, timeout=timeout)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """`rollout deploy` in the background, one event a line."""
        always = ("-i", str(INVENTORY), "--yes", "--output", "json")
        return subprocess.Popen(
            [sys.executable, "-m", "rollout", "deploy", *always, *arguments],
            cwd=ROOT,
            env={**os.environ, "HOME": self._home},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def serves(self) -> bool:
        """Whether both load balancers show all nodes up."""
        up = "echo show stat | socat - /run/haproxy/admin.sock | grep -c '^shop,web.*,UP,' || true"
        return all(int(self.on(name, up)) == len(ADDRESSES) for name in ("lb1", "lb2"))

    def nodes(self) -> dict[str, tuple[str, str | None]]:
        """State and release of each node, as `rollout status` tells."""
        told = json.loads(self.rollout("status", "--output", "json").stdout)
        return {node["name"]: (node["state"], node["release"]) for node in told["nodes"]}

    def _run(self, command: list[str], *, timeout: float) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout
